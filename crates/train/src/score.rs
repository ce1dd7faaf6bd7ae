//! From a network and examples to metrics.

use burn::tensor::Device;
use cupola_eval::{Metrics, classification, regression};
use cupola_nn::{Input, Loss, Network, Truth};
use cupola_prep::{Examples, FittedTarget, Label, Labelled, Targets};
use cupola_spec::Goal;

use crate::error::Error;

/// Examples in one evaluation batch.
const CHUNK: usize = 512;

/// The loss that fits a target.
pub fn loss_of(target: &FittedTarget) -> Loss {
    match target {
        FittedTarget::Number { .. } => Loss::MeanSquared,
        FittedTarget::Category { .. } if target.width() == 1 => Loss::BinaryCrossEntropy,
        FittedTarget::Category { .. } => Loss::CrossEntropy,
    }
}

/// The metric that picks the best epoch where the config names none.
pub fn goal(target: &FittedTarget) -> Goal {
    match loss_of(target) {
        Loss::MeanSquared => Goal::Rmse,
        Loss::BinaryCrossEntropy => Goal::RocAuc,
        Loss::CrossEntropy => Goal::Accuracy,
    }
}

/// A batch's targets on a device, the way `loss` compares them.
#[allow(clippy::cast_precision_loss)]
pub fn truth(loss: Loss, targets: Targets, device: &Device) -> Truth {
    match (loss, targets) {
        (Loss::CrossEntropy, Targets::Class(class)) => Truth::classes(class, device),
        (_, Targets::Class(class)) => Truth::numbers(class.into_iter().map(|c| c as f32).collect(), device),
        (_, Targets::Number(values)) => Truth::numbers(values, device),
    }
}

/// Logits of all examples, `[rows, width]` in row-major order. `network` is one for inference.
///
/// # Errors
/// [`cupola_nn::Error::Device`] when the device fails.
pub fn logits(network: &Network, examples: &Examples, device: &Device) -> Result<Vec<f32>, Error> {
    let mut out = Vec::new();
    let rows: Vec<usize> = (0..examples.rows).collect();
    for chunk in rows.chunks(CHUNK) {
        let Examples { layout, rows, dense, indices } = examples.gather(chunk);
        let input = Input::new(rows, &layout.dense, dense, indices, device);
        let values = network.forward(input).try_into_vec_as::<f32>();
        let fail = |why: String| cupola_nn::Error::Device { device: "in evaluation".into(), why };
        out.extend(values.map_err(|error| fail(error.to_string()))?);
    }
    Ok(out)
}

/// Metrics of one part, `loss` among them. `network` is one for inference.
///
/// # Errors
/// As [`logits`].
pub fn score(
    network: &Network,
    target: &FittedTarget,
    part: &Labelled,
    device: &Device,
) -> Result<Metrics, Error> {
    Ok(metrics_of(target, &logits(network, &part.examples, device)?, &part.targets))
}

/// Metrics of given logits `[rows, width]`, `loss` among them.
pub fn metrics_of(target: &FittedTarget, values: &[f32], targets: &Targets) -> Metrics {
    let width = target.width();
    let mut metrics = match (target, targets) {
        (FittedTarget::Category { classes, .. }, Targets::Class(truth)) => {
            let probabilities: Vec<f32> =
                values.chunks(width).flat_map(|row| target.probabilities(row)).collect();
            let truth: Vec<usize> =
                truth.iter().map(|&class| usize::try_from(class).unwrap_or_default()).collect();
            classification(classes, &truth, &probabilities)
        }
        (_, targets) => {
            let number = |logit: &[f32]| match target.decode(logit).value {
                Label::Number(value) => value,
                Label::Text(_) => f64::NAN,
            };
            let truth: Vec<f64> = match targets {
                Targets::Number(scaled) => scaled.iter().map(|&y| number(&[y])).collect(),
                Targets::Class(class) => class.iter().map(|&c| f64::from(c)).collect(),
            };
            let predicted: Vec<f64> = values.chunks(width).map(number).collect();
            regression(&truth, &predicted)
        }
    };
    if let Some(loss) = mean_loss(target, values, targets) {
        metrics.values.insert("loss".to_owned(), loss);
    }
    metrics
}

/// The training loss of given logits, on the host.
#[allow(clippy::cast_precision_loss)]
fn mean_loss(target: &FittedTarget, logits: &[f32], targets: &Targets) -> Option<f64> {
    let width = target.width();
    let losses: Vec<f64> = match targets {
        Targets::Number(y) => logits.iter().zip(y).map(|(x, y)| f64::from(x - y).powi(2)).collect(),
        Targets::Class(class) if width == 1 => logits
            .iter()
            .zip(class)
            .map(|(&x, &y)| {
                let (x, y) = (f64::from(x), f64::from(y));
                x.max(0.0) - x * y + (-x.abs()).exp().ln_1p()
            })
            .collect(),
        Targets::Class(class) => logits
            .chunks(width)
            .zip(class)
            .filter_map(|(row, &class)| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|x| f64::from(x - most).exp()).sum();
                let own = row.get(usize::try_from(class).ok()?)?;
                Some(sum.ln() - f64::from(own - most))
            })
            .collect(),
    };
    (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}
