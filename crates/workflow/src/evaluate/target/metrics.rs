//! Metrics of one target with intervals, values of the trivial model and reasons for undefined ones.

use cupola_eval::{Metrics, larger_is_better};
use cupola_report::Metric;

use super::SplitToEvaluate;
use super::intervals::intervals;
use super::outputs::TargetOutputs;
use crate::evaluate::EvaluationOptions;

/// Metrics of the target `name`, the goal first.
pub(super) fn metrics(
    split: &SplitToEvaluate<'_>,
    name: &str,
    outputs: &TargetOutputs,
    options: &EvaluationOptions,
) -> Vec<Metric> {
    let several = split.plan.targets.iter().count() > 1;
    let own = |key: &str| {
        if several {
            key.strip_prefix(name)?.strip_prefix('/').map(str::to_owned)
        } else {
            Some(key.to_owned())
        }
    };
    let baseline = |key: &str| split.baseline.and_then(|baseline| baseline.values.get(key).copied());
    let bounds = intervals(outputs, options);
    let Metrics { values, undefined, .. } = split.metrics;
    let defined = values.iter().filter_map(|(key, value)| {
        let name = own(key)?;
        let log_loss = own_value(values, key, "log_loss");
        // The loss of classes is their log loss, unless the run has another one.
        let alias = if name == "loss" && log_loss.is_some_and(|other| (other - value).abs() < 1e-5) {
            "log_loss"
        } else {
            name.as_str()
        };
        Some(Metric {
            value: Some(*value),
            undefined: None,
            interval: bounds.get(alias).copied(),
            baseline: baseline(key),
            larger_is_better: larger_is_better(&name),
            name,
        })
    });
    let missing = undefined.iter().filter_map(|(key, why)| {
        let name = own(key)?;
        let larger_is_better = larger_is_better(&name);
        Some(Metric { undefined: Some(why.clone()), larger_is_better, name, ..Metric::default() })
    });
    let mut all: Vec<Metric> = defined.chain(missing).collect();
    if let Some(at) = split.goal.and_then(|goal| all.iter().position(|metric| metric.name == goal)) {
        all[..=at].rotate_right(1);
    }
    all
}

/// Value of another metric of the same target.
fn own_value(values: &indexmap::IndexMap<String, f64>, key: &str, metric: &str) -> Option<f64> {
    match key.rsplit_once('/') {
        Some((target, _)) => values.get(&format!("{target}/{metric}")).copied(),
        None => values.get(metric).copied(),
    }
}
