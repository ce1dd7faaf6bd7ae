//! From a network and examples to metrics.

use burn::tensor::Device;
use cupola_eval::{Metrics, classification, regression};
use cupola_nn::{Input, Loss, Network, Objective, Truth};
use cupola_prep::{Examples, FittedTarget, Label, Labelled, Targets};
use cupola_spec::{ClassWeights, Goal, LossKind, LossSpec};

use crate::error::Error;

/// Examples in one evaluation batch.
const CHUNK: usize = 512;
/// Windows of a text in one evaluation batch.
const WINDOWS: usize = 32;

/// The loss that fits a target where the config asks for none.
pub fn loss_of(target: &FittedTarget) -> Loss {
    match target {
        FittedTarget::Number { .. } => Loss::MeanSquared,
        FittedTarget::Category { .. } if target.width() == 1 => Loss::BinaryCrossEntropy,
        FittedTarget::Category { .. } | FittedTarget::NextToken { .. } => Loss::CrossEntropy,
    }
}

/// What training minimises; class weights are those of `train`, the training targets.
pub fn objective(spec: &LossSpec, target: &FittedTarget, train: &Targets) -> Objective {
    let plain = loss_of(target);
    let loss = match (spec.kind, plain) {
        (LossKind::Focal, Loss::CrossEntropy) => Loss::Focal { gamma: spec.gamma },
        (LossKind::Focal, Loss::BinaryCrossEntropy) => Loss::BinaryFocal { gamma: spec.gamma },
        (LossKind::Huber, Loss::MeanSquared) => Loss::Huber { delta: spec.delta },
        (LossKind::Quantile, Loss::MeanSquared) => Loss::Quantile { quantile: spec.quantile },
        _ => plain,
    };
    let class_weights = match (spec.class_weights, target, train) {
        (ClassWeights::Balanced, FittedTarget::Category { classes, .. }, Targets::Class(rows)) => {
            balanced(classes.len(), rows)
        }
        _ => Vec::new(),
    };
    Objective { loss, label_smoothing: spec.label_smoothing, class_weights }
}

/// `rows / (classes * rows of the class)`, as scikit-learn's `compute_class_weight("balanced")`.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation)]
fn balanced(classes: usize, rows: &[i32]) -> Vec<f32> {
    let mut counts = vec![0_usize; classes];
    for class in rows {
        if let Some(count) = usize::try_from(*class).ok().and_then(|class| counts.get_mut(class)) {
            *count += 1;
        }
    }
    let weight = |count: usize| (rows.len() as f64 / (classes as f64 * count.max(1) as f64)) as f32;
    counts.into_iter().map(weight).collect()
}

/// The metric that picks the best evaluation where the config names none.
pub fn goal(target: &FittedTarget) -> Goal {
    match target {
        FittedTarget::Number { .. } => Goal::Rmse,
        FittedTarget::Category { .. } if target.width() == 1 => Goal::RocAuc,
        FittedTarget::Category { .. } => Goal::Accuracy,
        FittedTarget::NextToken { .. } => Goal::Loss,
    }
}

/// A batch's targets on a device, the way `loss` compares them.
#[allow(clippy::cast_precision_loss)]
pub fn truth(loss: Loss, targets: Targets, device: &Device) -> Truth {
    match (loss, targets) {
        (Loss::CrossEntropy | Loss::Focal { .. }, Targets::Class(class)) => Truth::classes(class, device),
        (_, Targets::Class(class)) => Truth::numbers(class.into_iter().map(|c| c as f32).collect(), device),
        (_, Targets::Number(values)) => Truth::numbers(values, device),
        (_, Targets::Tokens { next, .. }) => Truth::classes(next, device),
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
        let Examples { rows, dense, indices, .. } = examples.gather(chunk);
        let input = Input::new(rows, dense, indices, device);
        let values = network.forward(&input).try_into_vec_as::<f32>();
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
    loss: Loss,
    part: &Labelled,
    device: &Device,
) -> Result<Metrics, Error> {
    if let FittedTarget::NextToken { .. } = target {
        return next_token(network, loss, part, device);
    }
    Ok(metrics_of(target, loss, &logits(network, &part.examples, device)?, &part.targets))
}

/// Loss and perplexity of a language model. A vocabulary is wide, so the logits of each chunk stay on
/// the device.
fn next_token(network: &Network, loss: Loss, part: &Labelled, device: &Device) -> Result<Metrics, Error> {
    let fail = |why: String| cupola_nn::Error::Device { device: "in evaluation".into(), why };
    let objective = Objective::from(loss);
    let (mut sum, mut tokens) = (0.0, 0.0);
    let rows: Vec<usize> = (0..part.examples.rows).collect();
    for chunk in rows.chunks(WINDOWS) {
        let Labelled { examples, targets } = part.gather(chunk);
        let Targets::Tokens { ref next, .. } = targets else { continue };
        tokens += next.len() as f64;
        let input = Input::new(examples.rows, examples.dense, examples.indices, device);
        let found = objective.sum(network.forward(&input), truth(loss, targets, device));
        sum += f64::from(found.try_into_scalar::<f32>().map_err(|error| fail(error.to_string()))?);
    }
    let mean = sum / f64::max(tokens, 1.0);
    let values = [("loss".to_owned(), mean), ("perplexity".to_owned(), mean.exp())];
    Ok(Metrics { rows: part.examples.rows, values: values.into_iter().collect(), ..Metrics::default() })
}

/// Metrics of given logits `[rows, width]`, `loss` among them: the plain one, without smoothing and
/// class weights.
pub fn metrics_of(target: &FittedTarget, loss: Loss, values: &[f32], targets: &Targets) -> Metrics {
    let width = target.width();
    let mut metrics = match (target, targets) {
        (FittedTarget::NextToken { .. }, Targets::Tokens { length, next }) => {
            let mean = mean_loss(loss, width, values, targets).unwrap_or_default();
            let values = [("perplexity".to_owned(), mean.exp())];
            let rows = next.len() / length;
            Metrics { rows, values: values.into_iter().collect(), ..Metrics::default() }
        }
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
                Targets::Class(class) | Targets::Tokens { next: class, .. } => {
                    class.iter().map(|&c| f64::from(c)).collect()
                }
            };
            let predicted: Vec<f64> = values.chunks(width).map(number).collect();
            regression(&truth, &predicted)
        }
    };
    if let Some(loss) = mean_loss(loss, width, values, targets) {
        metrics.values.insert("loss".to_owned(), loss);
    }
    metrics
}

/// The loss of given logits, on the host.
#[allow(clippy::cast_precision_loss)]
fn mean_loss(loss: Loss, width: usize, logits: &[f32], targets: &Targets) -> Option<f64> {
    let losses: Vec<f64> = match targets {
        Targets::Number(y) => {
            let off = logits.iter().zip(y).map(|(x, y)| f64::from(x - y));
            off.map(|off| loss_of_difference(loss, off)).collect()
        }
        Targets::Class(class) if width == 1 => logits
            .iter()
            .zip(class)
            .map(|(&x, &y)| {
                let (x, y) = (f64::from(x), f64::from(y));
                let plain = x.max(0.0) - x * y + (-x.abs()).exp().ln_1p();
                plain * focus(loss, (-plain).exp())
            })
            .collect(),
        Targets::Class(class) | Targets::Tokens { next: class, .. } => logits
            .chunks(width)
            .zip(class)
            .filter_map(|(row, &class)| {
                let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let sum: f64 = row.iter().map(|x| f64::from(x - most).exp()).sum();
                let own = row.get(usize::try_from(class).ok()?)?;
                let plain = sum.ln() - f64::from(own - most);
                Some(plain * focus(loss, (-plain).exp()))
            })
            .collect(),
    };
    (!losses.is_empty()).then(|| losses.iter().sum::<f64>() / losses.len() as f64)
}

/// Loss of a number that is `off` too large.
fn loss_of_difference(loss: Loss, off: f64) -> f64 {
    match loss {
        Loss::Huber { delta } if off.abs() > delta => delta * (off.abs() - 0.5 * delta),
        Loss::Huber { .. } => 0.5 * off * off,
        Loss::Quantile { quantile } => (-quantile * off).max((1.0 - quantile) * off),
        _ => off * off,
    }
}

/// What the focal loss multiplies with, `p` being the probability of the class.
fn focus(loss: Loss, p: f64) -> f64 {
    match loss {
        Loss::Focal { gamma } | Loss::BinaryFocal { gamma } => (1.0 - p).max(0.0).powf(gamma),
        _ => 1.0,
    }
}
