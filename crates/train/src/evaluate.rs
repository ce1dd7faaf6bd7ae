//! Evaluation: metrics of a network on examples.

use burn::tensor::Device;
use cupola_eval::{Metrics, anomaly, classification, forecast, regression};
use cupola_nn::{InputBatch, Loss, Network, Objective};
use cupola_prep::{
    Examples, ExamplesWithTargets, FittedTarget, Plan, PredictedValue, SplitExamples, Targets,
    mean_squared_difference,
};

use crate::error::Error;
use crate::host_loss::mean_loss;
use crate::objective::{TargetObjective, loss_targets};

/// Number of examples of one evaluation batch.
const CHUNK: usize = 512;
/// Number of examples that are read from a file at once.
const STORED: usize = 8192;
/// Number of windows of a text in one evaluation batch.
const WINDOWS: usize = 32;

/// Logits of all examples, `[rows, width]` in row-major order. `network` must be built for inference.
///
/// # Errors
/// [`cupola_nn::Error::Device`] if the device fails.
pub fn logits(network: &Network, examples: &Examples, device: &Device) -> Result<Vec<f32>, Error> {
    let mut out = Vec::new();
    let rows: Vec<usize> = (0..examples.rows).collect();
    for chunk in rows.chunks(CHUNK) {
        let part = examples.gather(chunk);
        let Examples { rows, dense, indices, .. } =
            if network.trims_padding() { part.trim_padding() } else { part };
        let input = InputBatch::new(rows, dense, indices, device);
        let values = network.forward(&input).try_into_vec_as::<f32>();
        let fail = |why: String| cupola_nn::Error::Device { device: "in evaluation".into(), why };
        out.extend(values.map_err(|error| fail(error.to_string()))?);
    }
    Ok(out)
}

/// Metrics, including `loss`, on `rows` rows of a part: the first rows in memory, where they are in the order
/// of a hash, and evenly spaced rows of a file, where they are in the order of the source. `network` must be
/// built for inference.
///
/// # Errors
/// The errors of [`logits`]; a file that cannot be read.
pub fn evaluate_part(
    network: &Network,
    plan: &Plan,
    objectives: &[TargetObjective],
    part: &SplitExamples,
    rows: usize,
    device: &Device,
) -> Result<Metrics, Error> {
    let rows = rows.min(part.len());
    let mut seen = part.gather(&[])?;
    let simple = seen.targets.iter().all(|targets| matches!(targets, Targets::Class(_) | Targets::Number(_)));
    let in_memory = part.block().is_none();
    if in_memory && !simple {
        let first = part.gather(&(0..rows).collect::<Vec<_>>())?;
        return score_all(network, plan, objectives, &first, device);
    }
    // Only logits and targets are kept; the inputs of the network may be far larger.
    let mut values = Vec::new();
    let place = |row: usize| if in_memory { row } else { row * part.len() / rows };
    let spaced: Vec<usize> = (0..rows).map(place).collect();
    for rows in spaced.chunks(STORED) {
        let chunk = part.gather(rows)?;
        values.extend(logits(network, &chunk.examples, device)?);
        seen.append_targets(chunk);
    }
    Ok(metrics_from_logits(plan, objectives, &values, &seen))
}

fn score_all(
    network: &Network,
    plan: &Plan,
    objectives: &[TargetObjective],
    part: &ExamplesWithTargets,
    device: &Device,
) -> Result<Metrics, Error> {
    if let (FittedTarget::NextToken { .. }, [objective]) = (plan.targets.first(), objectives) {
        return next_token(network, objective.criterion.loss, part, device);
    }
    Ok(metrics_from_logits(plan, objectives, &logits(network, &part.examples, device)?, part))
}

/// Metrics of logits `[rows, width]` for the examples of a part. With several targets the metrics of each are
/// named `target/metric`, and `loss` is the weighted sum.
pub fn metrics_from_logits(
    plan: &Plan,
    objectives: &[TargetObjective],
    values: &[f32],
    part: &ExamplesWithTargets,
) -> Metrics {
    let width = plan.width();
    let (mut all, mut sum) = (Metrics { rows: part.examples.rows, ..Metrics::default() }, 0.0);
    for ((target, objective), targets) in plan.targets.iter().zip(objectives).zip(part.targets.iter()) {
        let loss = objective.criterion.loss;
        if objective.width == width {
            return target_metrics(target, loss, values, targets, &part.examples);
        }
        let own = values.chunks(width).flat_map(|row| &row[objective.at..objective.at + objective.width]);
        let own: Vec<f32> = own.copied().collect();
        let found = target_metrics(target, loss, &own, targets, &part.examples);
        sum += objective.weight * found.values.get("loss").copied().unwrap_or_default();
        let named =
            found.values.into_iter().map(|(name, value)| (format!("{}/{name}", target.name()), value));
        all.values.extend(named);
    }
    all.values.insert("loss".to_owned(), sum);
    all
}

/// Loss and perplexity of a language model. The logits of each chunk stay on the device, because a vocabulary
/// is wide.
fn next_token(
    network: &Network,
    loss: Loss,
    part: &ExamplesWithTargets,
    device: &Device,
) -> Result<Metrics, Error> {
    let fail = |why: String| cupola_nn::Error::Device { device: "in evaluation".into(), why };
    let objective = Objective::from(loss);
    let (mut sum, mut tokens) = (0.0, 0.0);
    let rows: Vec<usize> = (0..part.examples.rows).collect();
    for chunk in rows.chunks(WINDOWS) {
        let ExamplesWithTargets { examples, targets, .. } = part.gather(chunk);
        let targets = targets.into_first();
        let Targets::Tokens { next, .. } = &targets else { continue };
        tokens += next.len() as f64;
        let input = InputBatch::new(examples.rows, examples.dense, examples.indices, device);
        let expected = loss_targets(loss, targets, &input, device);
        let found = objective.sum(network.forward(&input), expected);
        sum += f64::from(found.try_into_scalar::<f32>().map_err(|error| fail(error.to_string()))?);
    }
    let mean = sum / f64::max(tokens, 1.0);
    let values = [("loss".to_owned(), mean), ("perplexity".to_owned(), mean.exp())];
    Ok(Metrics { rows: part.examples.rows, values: values.into_iter().collect(), ..Metrics::default() })
}

/// Metrics of one target, including the loss without label smoothing and class weights.
fn target_metrics(
    target: &FittedTarget,
    loss: Loss,
    values: &[f32],
    targets: &Targets,
    examples: &Examples,
) -> Metrics {
    let width = target.width();
    let loss = mean_loss(loss, width, values, targets, &examples.dense);
    // Values of one row in the units of the target.
    let number = |scaled: &[f32]| match target.decode(scaled, &[]).value {
        PredictedValue::Number(value) => vec![value],
        PredictedValue::Numbers(values) => values,
        PredictedValue::Text(_) => vec![f64::NAN],
    };
    let numbers = |scaled: &[f32]| scaled.chunks(width).flat_map(number).collect::<Vec<f64>>();
    let mut metrics = match (target, targets) {
        (FittedTarget::NextToken { .. }, Targets::Tokens { length, next }) => {
            let values = [("perplexity".to_owned(), loss.unwrap_or_default().exp())];
            let rows = next.len() / length;
            Metrics { rows, values: values.into_iter().collect(), ..Metrics::default() }
        }
        (FittedTarget::Category { classes, .. }, Targets::Class(expected)) => {
            let probabilities: Vec<f32> =
                values.chunks(width).flat_map(|row| target.probabilities(row)).collect();
            let expected: Vec<usize> =
                expected.iter().map(|&class| usize::try_from(class).unwrap_or_default()).collect();
            classification(classes, &expected, &probabilities)
        }
        (FittedTarget::Forecast { horizon, naive, .. }, Targets::Vector { values: expected, .. }) => {
            forecast(&numbers(expected), &numbers(values), *horizon, *naive)
        }
        (FittedTarget::Reconstruct { .. }, Targets::Reconstruction { anomalies }) => {
            let rows = values.chunks(width).zip(examples.dense.chunks(width));
            let scores: Vec<f64> = rows.map(|(row, own)| mean_squared_difference(row, own)).collect();
            anomaly(&scores, anomalies)
        }
        (_, Targets::Number(expected)) => regression(&numbers(expected), &numbers(values)),
        // A plan encodes targets of its own kind only.
        (target, _) => unreachable!("targets of another kind than {}", target.name()),
    };
    if let Some(loss) = loss {
        metrics.values.insert("loss".to_owned(), loss);
    }
    metrics
}
