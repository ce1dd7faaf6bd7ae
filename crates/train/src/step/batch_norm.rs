//! Batch norm and batches of one example, whose deviation from their own mean is 0.

use cupola_nn::Architecture;
use cupola_spec::{ShapeRow, Train};

use crate::error::Error;

/// Least number of examples of a forward pass in training: 2 if a batch norm of the network takes its statistics
/// from one value per example, else 1. `rows` is the number of training rows, `None` if it is not known yet.
///
/// # Errors
/// [`Error::BatchNorm`] if `[train]` or the rows lead to batches or micro-batches of one example all the same,
/// [`Error::Network`] if the layers do not fit each other.
pub fn check_batch_norm(
    train: &Train,
    architecture: &Architecture,
    rows: Option<usize>,
) -> Result<usize, Error> {
    let Some(layer) = single_valued(architecture)? else { return Ok(1) };
    let refused = |what: &'static str, remedy| Err(Error::BatchNorm { layer, what, remedy });
    if train.batch_size == 1 {
        return refused("`train.batch_size` is 1", "write at least 2, or use `layer_norm`");
    }
    if train.micro_batch == 1 {
        return refused("`train.micro_batch` is 1", "write 0 or at least 2, or use `layer_norm`");
    }
    if rows == Some(1) {
        return refused("the training split has one row", "add rows, or use `layer_norm`");
    }
    Ok(2)
}

/// Name of the first batch norm that sees one value of each example per feature. An image has as many values per
/// channel as pixels.
fn single_valued(architecture: &Architecture) -> Result<Option<String>, Error> {
    let single = |row: &ShapeRow| row.kind == "batch_norm" && row.input.iter().skip(1).all(|&size| size == 1);
    Ok(architecture.table()?.into_iter().find(single).map(|row| row.name))
}

#[cfg(test)]
mod tests {
    use cupola_prep::{Column, Frame, prepare};
    use cupola_spec::Run;

    use super::*;

    fn run(model: &str, train: &str) -> Run {
        let text = format!(
            "name='b'\nseed=1\n[data]\nsource='none'\n[split]\nvalid=0.2\ntest=0.0\n[[inputs]]\nname='i'\nkind='image'\ncolumns='p*'\nshape=[1,8,8]\n[[targets]]\nname='y'\nkind='number'\n[model]\n{model}\n[train]\n{train}"
        );
        cupola_spec::parse("b", &text, &[], &|_| Err(String::new())).unwrap_or_else(|e| panic!("{e}"))
    }

    fn architecture(run: &Run) -> Architecture {
        let mut frame = Frame::default();
        for column in 0..64_u32 {
            let values = (0..20).map(|row| f64::from((row * 64 + column) % 37)).collect();
            frame = frame.with(&format!("p{column}"), Column::numbers(values));
        }
        let frame = frame.with("y", Column::numbers((0..20).map(f64::from).collect()));
        crate::architecture(run, &prepare(run, &frame, None, None).unwrap().plan).unwrap()
    }

    const FLAT: &str = "family='layers'\nlayers=[{type='flatten'},{type='linear',out=4},{type='batch_norm'}]";

    #[test]
    fn one_example_at_once_is_refused_only_where_it_has_no_variance() {
        for (train, what) in [("batch_size=1", "batch_size"), ("batch_size=8\nmicro_batch=1", "micro_batch")]
        {
            let run = run(FLAT, train);
            let error = check_batch_norm(&run.train, &architecture(&run), None).unwrap_err().to_string();
            assert!(error.contains(what) && error.contains("trunk.2"), "{error}");
        }
        // A channel of 8 x 8 pixels has a variance, a channel of one pixel has none.
        let cnn = run("family='cnn'\nchannels=[3]\nhidden=5", "batch_size=1");
        assert_eq!(check_batch_norm(&cnn.train, &architecture(&cnn), None).unwrap(), 1);
        let resnet = run("family='resnet'\ndepth=18\nwidth=2\nstem='small'", "batch_size=1");
        assert!(check_batch_norm(&resnet.train, &architecture(&resnet), None).is_err());
        let several = run(FLAT, "batch_size=2");
        assert_eq!(check_batch_norm(&several.train, &architecture(&several), Some(9)).unwrap(), 2);
        assert!(check_batch_norm(&several.train, &architecture(&several), Some(1)).is_err());
    }
}
