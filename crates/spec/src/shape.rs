//! Shapes and parameter counts of a layer list, without a tensor.

use crate::layer::Layer;

/// One line of the layer table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ShapeRow {
    /// `PyTorch` name of the module, such as `trunk.3.layers.0`.
    pub name: String,
    /// The layer's `type`.
    pub kind: &'static str,
    /// Shape that goes in, batch axis left out.
    pub input: Vec<usize>,
    /// Shape that comes out, batch axis left out.
    pub output: Vec<usize>,
    /// Number of trained values.
    pub parameters: usize,
}

/// A layer does not fit the shape that reaches it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("layer {name} ({kind}) needs {needs}, but {found:?} reaches it; {remedy}")]
pub struct ShapeError {
    /// Name of the module.
    pub name: String,
    /// The layer's `type`.
    pub kind: &'static str,
    /// What it needs.
    pub needs: &'static str,
    /// The shape that reaches it.
    pub found: Vec<usize>,
    /// What to change.
    pub remedy: &'static str,
}

/// Walks `layers` from an example of shape `input`; names start with `prefix`.
/// The last row's output is what the list gives.
///
/// # Errors
/// The first layer that does not fit.
pub fn trace(prefix: &str, input: &[usize], layers: &[Layer]) -> Result<Vec<ShapeRow>, ShapeError> {
    let mut rows = Vec::new();
    let mut shape = input.to_vec();
    for (index, layer) in layers.iter().enumerate() {
        let name = format!("{prefix}.{index}");
        let row = row(name, layer, &shape, &mut rows)?;
        shape.clone_from(&row.output);
        rows.push(row);
    }
    Ok(rows)
}

fn row(
    name: String,
    layer: &Layer,
    input: &[usize],
    rows: &mut Vec<ShapeRow>,
) -> Result<ShapeRow, ShapeError> {
    let fail = |needs, remedy| ShapeError {
        name: name.clone(),
        kind: layer.kind(),
        needs,
        found: input.to_vec(),
        remedy,
    };
    let flat = || match *input {
        [n] => Ok(n),
        _ => Err(fail("a flat input [n]", "put `flatten` or `global_avg_pool` before it")),
    };
    let image = || match *input {
        [c, h, w] => Ok((c, h, w)),
        _ => Err(fail("an image [channels, height, width]", "use an input of kind `image`, or `linear`")),
    };
    let too_small =
        || fail("an image at least as large as its kernel", "use a smaller kernel or fewer pools");
    let (output, parameters) = match layer {
        Layer::Linear { out, bias } => {
            let n = flat()?;
            (vec![*out], n * out + if *bias { *out } else { 0 })
        }
        Layer::Conv2d { out, kernel, stride, padding, bias } => {
            let (c, h, w) = image()?;
            let side = |n: usize| window(n + 2 * padding, *kernel, *stride).ok_or_else(too_small);
            let parameters = out * c * kernel * kernel + if *bias { *out } else { 0 };
            (vec![*out, side(h)?, side(w)?], parameters)
        }
        Layer::MaxPool { kernel, stride } | Layer::AvgPool { kernel, stride } => {
            let (c, h, w) = image()?;
            let side = |n| window(n, *kernel, stride.unwrap_or(*kernel)).ok_or_else(too_small);
            (vec![c, side(h)?, side(w)?], 0)
        }
        Layer::GlobalAvgPool {} => (vec![image()?.0], 0),
        Layer::Flatten {} => (vec![input.iter().product()], 0),
        Layer::BatchNorm {} => (input.to_vec(), 2 * input[0]),
        Layer::LayerNorm {} => (input.to_vec(), 2 * input[input.len() - 1]),
        // A package's file has not been through the schema that bounds a config.
        Layer::Dropout { p } if !(0.0..1.0).contains(p) => {
            return Err(fail("a probability of at least 0 and below 1", "change `p`"));
        }
        Layer::Dropout { .. } | Layer::Activation { .. } => (input.to_vec(), 0),
        Layer::Residual { layers, shortcut } => {
            let last = |rows: &[ShapeRow]| rows.last().map_or(input.to_vec(), |r| r.output.clone());
            let body = trace(&format!("{name}.layers"), input, layers)?;
            let other = trace(&format!("{name}.shortcut"), input, shortcut)?;
            let (a, b) = (last(&body), last(&other));
            if a != b {
                return Err(ShapeError {
                    found: a,
                    ..fail("both branches to give one shape", "add a `shortcut` that changes the shape too")
                });
            }
            rows.extend(body);
            rows.extend(other);
            (a, 0)
        }
    };
    Ok(ShapeRow { name, kind: layer.kind(), input: input.to_vec(), output, parameters })
}

/// Positions of a window of `kernel` on `n` places: `floor((n - kernel) / stride) + 1`.
fn window(n: usize, kernel: usize, stride: usize) -> Option<usize> {
    (n >= kernel && stride > 0 && kernel > 0).then(|| (n - kernel) / stride + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Activation, Family};

    #[test]
    fn a_cnn_has_the_shapes_and_parameters_of_its_arithmetic() {
        let family =
            Family::Cnn { channels: vec![16, 32], hidden: 64, activation: Activation::Relu, dropout: 0.0 };
        let rows = trace("trunk", &[1, 8, 8], &family.layers()).unwrap();
        assert_eq!(rows[3].output, [16, 4, 4]);
        assert_eq!(rows[8].output, [128]);
        let total: usize = rows.iter().map(|r| r.parameters).sum();
        // 16*9 + 2*16, 32*16*9 + 2*32, 128*64 + 64
        assert_eq!(total, 144 + 32 + 4608 + 64 + 8192 + 64);
    }

    #[test]
    fn a_misfit_names_the_layer_and_the_remedy() {
        let layers = [Layer::Linear { out: 3, bias: true }];
        let error = trace("trunk", &[1, 8, 8], &layers).unwrap_err();
        assert_eq!(error.name, "trunk.0");
        assert!(error.to_string().ends_with("put `flatten` or `global_avg_pool` before it"), "{error}");
    }

    #[test]
    fn a_probability_out_of_range_is_refused() {
        for p in [-0.1, 1.0, f64::NAN, f64::INFINITY] {
            assert!(trace("trunk", &[4], &[Layer::Dropout { p }]).is_err(), "{p}");
        }
    }

    #[test]
    fn zero_sizes_are_refused_not_divided_by() {
        let layers = [Layer::MaxPool { kernel: 0, stride: None }];
        assert!(trace("trunk", &[1, 8, 8], &layers).is_err());
    }
}
