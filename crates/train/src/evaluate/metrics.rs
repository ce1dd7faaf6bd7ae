//! Metrics of logits on the host.

use cupola_eval::{MetricSet, Metrics, anomaly, classification, forecast, perplexity, ranking, regression};
use cupola_prep::{
    Examples, ExamplesWithTargets, FittedTarget, Plan, PredictedValue, Targets, mean_squared_difference,
};

use super::decided::decided;
use super::host_loss::mean_target_loss;
use super::text::add_bits_per_byte;
use crate::objective::TargetObjective;

/// All metrics of logits `[rows, width]` for the examples of a part. With several targets the metrics of each are
/// named `target/metric`, and `loss` is the weighted sum.
pub fn metrics_from_logits(
    plan: &Plan,
    objectives: &[TargetObjective],
    values: &[f32],
    part: &ExamplesWithTargets,
) -> Metrics {
    metrics_of_set(plan, objectives, values, part, MetricSet::All)
}

/// Metrics of a set, named as by [`metrics_from_logits`].
pub(super) fn metrics_of_set(
    plan: &Plan,
    objectives: &[TargetObjective],
    values: &[f32],
    part: &ExamplesWithTargets,
    set: MetricSet,
) -> Metrics {
    let width = plan.width();
    let (mut all, mut sum) = (Metrics { rows: part.examples.rows, ..Metrics::default() }, 0.0);
    for ((target, objective), targets) in plan.targets.iter().zip(objectives).zip(part.targets.iter()) {
        if objective.width == width {
            let mut found = target_metrics(target, objective, values, targets, &part.examples, set);
            if set == MetricSet::All {
                add_bits_per_byte(&mut found, plan, part);
            }
            return found;
        }
        let own = own_logits(values, width, objective);
        let found = target_metrics(target, objective, &own, targets, &part.examples, set);
        // Without a loss of one target there is no weighted sum.
        sum += objective.weight * found.values.get("loss").copied().unwrap_or(f64::NAN);
        let name = |name: String| format!("{}/{name}", target.name());
        all.values.extend(found.values.into_iter().map(|(metric, value)| (name(metric), value)));
        all.undefined.extend(found.undefined.into_iter().map(|(metric, why)| (name(metric), why)));
    }
    all.insert("loss", Ok(sum));
    all
}

/// Loss of logits `[rows, width]` without label smoothing and class weights: the weighted sum over the targets. `None`
/// without examples.
pub(super) fn loss_of_logits(
    plan: &Plan,
    objectives: &[TargetObjective],
    values: &[f32],
    part: &ExamplesWithTargets,
) -> Option<f64> {
    let mut sum = 0.0;
    for (objective, targets) in objectives.iter().zip(part.targets.iter()) {
        if objective.width == plan.width() {
            return mean_target_loss(objective, values, targets, &part.examples.dense);
        }
        let own = own_logits(values, plan.width(), objective);
        sum += objective.weight * mean_target_loss(objective, &own, targets, &part.examples.dense)?;
    }
    Some(sum)
}

/// Logits of one target of several.
fn own_logits(values: &[f32], width: usize, objective: &TargetObjective) -> Vec<f32> {
    let own = values.chunks(width).flat_map(|row| &row[objective.at..objective.at + objective.width]);
    own.copied().collect()
}

/// Metrics of one target, including the loss without label smoothing and class weights.
fn target_metrics(
    target: &FittedTarget,
    objective: &TargetObjective,
    values: &[f32],
    targets: &Targets,
    examples: &Examples,
    set: MetricSet,
) -> Metrics {
    let width = target.width();
    let loss = mean_target_loss(objective, values, targets, &examples.dense);
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
            let mut metrics = Metrics { rows: next.len() / length, ..Metrics::default() };
            metrics.insert("perplexity", Ok(perplexity(loss.unwrap_or_default())));
            metrics
        }
        (FittedTarget::Category { classes, .. }, Targets::Class(expected)) => {
            let probabilities: Vec<f32> =
                values.chunks(width).flat_map(|row| target.probabilities(row)).collect();
            let expected: Vec<usize> =
                expected.iter().map(|&class| usize::try_from(class).unwrap_or_default()).collect();
            decided(target, &probabilities, |p| classification(classes, &expected, p, None, set))
        }
        (FittedTarget::Forecast { horizon, naive, .. }, Targets::Vector { values: expected, .. }) => {
            forecast(&numbers(expected), &numbers(values), *horizon, *naive, None, set)
        }
        (FittedTarget::Reconstruct { .. }, Targets::Reconstruction { anomalies }) => {
            let rows = values.chunks(width).zip(examples.dense.chunks(width));
            let scores: Vec<f64> = rows.map(|(row, own)| mean_squared_difference(row, own)).collect();
            anomaly(&scores, anomalies, None, set)
        }
        (FittedTarget::Rank { .. }, Targets::Relevance { groups, values: grades }) => {
            let grades: Vec<f64> = grades.iter().map(|grade| f64::from(*grade)).collect();
            ranking(groups, &grades, &numbers(values))
        }
        (_, Targets::Number(expected)) => {
            let expected: Vec<f64> = expected.chunks(1).flat_map(number).collect();
            regression(&expected, &numbers(values), None, set)
        }
        // A plan encodes targets of its own kind only.
        (target, _) => unreachable!("targets of another kind than {}", target.name()),
    };
    if let Some(loss) = loss {
        metrics.insert("loss", Ok(loss));
    }
    metrics
}
