//! Metrics of logits on the host.

use cupola_eval::{Metrics, anomaly, classification, forecast, regression};
use cupola_nn::Loss;
use cupola_prep::{
    Examples, ExamplesWithTargets, FittedTarget, Plan, PredictedValue, Targets, mean_squared_difference,
};

use super::decided::decided;
use super::host_loss::mean_loss;
use crate::objective::TargetObjective;

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
        PredictedValue::Integer(value) => vec![value as f64],
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
            decided(target, &probabilities, |p| classification(classes, &expected, p))
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
