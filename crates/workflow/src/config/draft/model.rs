//! Family of a draft, its sizes, and the length of its training.

use cupola_spec::{
    AutoencoderFamily, Boosting, CnnFamily, DlinearFamily, Family, GptFamily, Input, Kind, MlpFamily,
    PatchtstFamily, ResnetFamily, TargetKind, TextTransformerFamily,
};

use super::{Draft, DraftModel, DraftTraining};

/// Columns from which on a network is preferred to trees.
const MANY_COLUMNS: usize = 500;
/// Rows from which on a series is long enough for a transformer.
const LONG_SERIES: usize = 10_000;
/// Pictures from which on larger ones get a residual network.
const MANY_PICTURES: usize = 2000;
/// Largest side of a picture for a plain convolutional network.
const SMALL_SIDE: usize = 64;

/// Stand-in until the inputs are known.
pub(super) fn placeholder() -> DraftModel {
    trees("")
}

/// Family that suits target and inputs, with its reason.
pub(super) fn choose(draft: &Draft) -> DraftModel {
    match draft.target.kind {
        TargetKind::Forecast => return forecast(draft),
        TargetKind::Reconstruct => return autoencoder(draft),
        TargetKind::NextToken => {
            let reason = "a small decoder, of the sizes that nanoGPT trains on a CPU";
            let training = DraftTraining { epochs: 5, batch_size: 16, patience: 0 };
            return network(Family::Gpt(GptFamily::default()), reason, training);
        }
        TargetKind::Rank => {
            return trees("a ranking: boosted trees learn the order of the rows of each group (Burges 2010)");
        }
        TargetKind::Category | TargetKind::Number => {}
    }
    match draft.inputs.as_slice() {
        [only] if only.kind == Kind::Image => picture(draft, only),
        [only] if only.kind == Kind::Text => {
            let family = Family::TextTransformer(TextTransformerFamily::default());
            let reason = "one text: a small transformer encoder (BERT-Tiny); to start from a published encoder, import one \
                          and write `package`";
            network(family, reason, training(draft, [30, 15, 10], 32))
        }
        inputs => table(draft, inputs),
    }
}

fn table(draft: &Draft, inputs: &[Input]) -> DraftModel {
    let mixed = inputs.iter().any(|input| matches!(input.kind, Kind::Text | Kind::Image));
    if mixed {
        let reason = "texts or pictures beside other columns: each goes through an encoder of its own, and a perceptron \
                      reads all of them; trees read tables only";
        return network(Family::Mlp(MlpFamily::default()), reason, training(draft, [60, 30, 20], 64));
    }
    let columns: usize = inputs.iter().map(|input| input.column_patterns().len()).sum();
    if columns > MANY_COLUMNS {
        let reason =
            "hundreds of columns: a perceptron reads them at once, while trees look at one after the other";
        return network(Family::Mlp(MlpFamily::default()), reason, training(draft, [60, 30, 20], 128));
    }
    trees(
        "a table: boosted trees are the most accurate on most tables of up to some 100,000 rows, and need no tuning \
         (Grinsztajn et al. 2022; McElfresh et al. 2023); `mlp` and `tabm` are networks for the same columns",
    )
}

fn trees(reason: &str) -> DraftModel {
    DraftModel { family: Family::Gbdt(Boosting::default()), reason: reason.to_owned(), training: None }
}

fn network(family: Family, reason: &str, training: DraftTraining) -> DraftModel {
    DraftModel { family, reason: reason.to_owned(), training: Some(training) }
}

/// Epochs for up to 2,000, up to 20,000 and more rows; small batches where rows are few.
fn training(draft: &Draft, epochs: [usize; 3], batch_size: usize) -> DraftTraining {
    let (rank, batch_size) = match draft.rows {
        _ if !draft.complete => (2, 4 * batch_size),
        0..=2000 => (0, batch_size),
        2001..=20_000 => (1, 2 * batch_size),
        _ => (2, 4 * batch_size),
    };
    DraftTraining { epochs: epochs[rank], batch_size: batch_size.min(256), patience: 8 }
}

fn picture(draft: &Draft, input: &Input) -> DraftModel {
    let [_, height, width] = input.shape.unwrap_or([1, 28, 28]);
    let side = height.min(width);
    let training = training(draft, [40, 20, 15], 32);
    if side > SMALL_SIDE && (!draft.complete || draft.rows >= MANY_PICTURES) {
        let reason = "many pictures of more than 64 pixels a side: ResNet-18 (He et al. 2016)";
        return network(Family::Resnet(ResnetFamily::default()), reason, training);
    }
    let channels = blocks(side);
    let reason = format!(
        "pictures: {} blocks of convolutions, each of which halves the sides; `resnet` is larger and slower",
        channels.len()
    );
    network(Family::Cnn(CnnFamily { channels, ..CnnFamily::default() }), &reason, training)
}

/// Channels of blocks that leave about four pixels a side.
fn blocks(side: usize) -> Vec<usize> {
    let count = (side / 4).max(2).ilog2().min(5);
    (0..count).map(|block| (32 << block).min(256)).collect()
}

fn forecast(draft: &Draft) -> DraftModel {
    let training = training(draft, [40, 30, 20], 32);
    let window = draft.inputs.first().and_then(|input| input.window).unwrap_or_default();
    let default = PatchtstFamily::default();
    if !draft.complete && draft.rows >= LONG_SERIES && window >= 2 * default.patch {
        let reason =
            "a long series: a transformer over patches (Nie et al. 2023); `dlinear` is the quick alternative";
        return network(Family::Patchtst(default), reason, training);
    }
    let reason = "a short series: linear in trend and remainder, which beats transformers on many series (Zeng et al. 2023)";
    // An average of more steps than the window has is one of the whole window.
    let kernel = DlinearFamily::default().kernel.min(window.saturating_sub(1) | 1);
    network(Family::Dlinear(DlinearFamily { kernel }), reason, training)
}

fn autoencoder(draft: &Draft) -> DraftModel {
    let columns: usize = draft.inputs.iter().map(|input| input.column_patterns().len()).sum();
    let code = (columns / 3).clamp(2, AutoencoderFamily::default().code);
    let reason = format!(
        "anomaly scores: the error of a network that has to pass {columns} columns through {code} values"
    );
    let family = Family::Autoencoder(AutoencoderFamily { code, ..AutoencoderFamily::default() });
    network(family, &reason, training(draft, [60, 30, 20], 32))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_leave_a_few_pixels() {
        assert_eq!(blocks(8), [32]);
        assert_eq!(blocks(28), [32, 64]);
        assert_eq!(blocks(32), [32, 64, 128]);
        assert_eq!(blocks(128), [32, 64, 128, 256, 256]);
        assert_eq!(blocks(4), [32]);
    }
}
