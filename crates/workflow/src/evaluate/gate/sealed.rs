//! Evaluation that is sealed in a package.

use cupola_eval::{Metrics, larger_is_better};
use cupola_prep::{FittedTarget, Plan};
use cupola_registry::Package;
use cupola_report::{Evaluation, Metric, ModelSection, SplitEvaluation, TargetEvaluation};
use cupola_spec::{Target, TargetKind};
use serde_json::Value;

use crate::error::Error;

/// Evaluation of a package by the numbers that were sealed with it, `metrics.json`. A package of an earlier version has
/// metrics without intervals and groups.
///
/// # Errors
/// Files that are missing, damaged or not those that were published.
pub fn sealed_evaluation(package: &Package) -> Result<Evaluation, Error> {
    let metrics: Value = serde_json::from_slice(&package.read("metrics.json")?)?;
    let mut evaluation = evaluation_of(&metrics, &sealed_targets(package)?)?;
    evaluation.model.package = package.label();
    Ok(evaluation)
}

/// Targets of a package, as far as they are declared in configs.
pub(super) fn sealed_targets(package: &Package) -> Result<Vec<Target>, Error> {
    let plan: Plan = serde_json::from_slice(&package.read("plan.json")?)?;
    Ok(plan_targets(&plan))
}

/// Targets of a plan; none for a network that outputs a vector.
fn plan_targets(plan: &Plan) -> Vec<Target> {
    let kind = |target: &FittedTarget| match target {
        FittedTarget::Category { .. } => Some(TargetKind::Category),
        FittedTarget::Number { .. } => Some(TargetKind::Number),
        FittedTarget::Forecast { .. } => Some(TargetKind::Forecast),
        FittedTarget::Reconstruct { .. } => Some(TargetKind::Reconstruct),
        FittedTarget::NextToken { .. } => Some(TargetKind::NextToken),
        FittedTarget::Rank { .. } => Some(TargetKind::Rank),
        FittedTarget::Embedding { .. } => None,
    };
    plan.targets.iter().filter_map(|target| Some(Target::new(target.name(), kind(target)?))).collect()
}

/// Evaluation of the content of `metrics.json`: its `evaluation`, or the metrics by name that earlier versions wrote alone.
fn evaluation_of(metrics: &Value, targets: &[Target]) -> Result<Evaluation, Error> {
    if let Some(document) = metrics.get("evaluation") {
        return Ok(serde_json::from_value(document.clone())?);
    }
    let splits = metrics["splits"].as_object().into_iter().flatten();
    let splits = splits
        .map(|(name, split)| Ok(split_evaluation(name, &serde_json::from_value(split.clone())?, targets)));
    let splits = splits.collect::<Result<_, Error>>()?;
    Ok(Evaluation { model: ModelSection::default(), splits, ..Evaluation::default() })
}

/// Metrics of a split as a part of an evaluation.
fn split_evaluation(name: &str, metrics: &Metrics, targets: &[Target]) -> SplitEvaluation {
    let targets = targets.iter().map(|target| {
        let prefix = format!("{}/", target.name);
        let single = targets.len() == 1;
        let named = metrics.values.iter().filter_map(|(name, value)| {
            let name = if single { name } else { name.strip_prefix(&prefix)? };
            Some(Metric {
                name: name.to_owned(),
                value: Some(*value),
                larger_is_better: larger_is_better(name),
                ..Metric::default()
            })
        });
        TargetEvaluation {
            target: target.name.clone(),
            metrics: named.collect(),
            ..TargetEvaluation::default()
        }
    });
    SplitEvaluation {
        split: name.to_owned(),
        rows: u64::try_from(metrics.rows).unwrap_or(u64::MAX),
        targets: targets.collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn names(target: &TargetEvaluation) -> Vec<&str> {
        target.metrics.iter().map(|metric| metric.name.as_str()).collect()
    }

    #[test]
    fn the_sealed_document_comes_before_the_metrics_by_name() {
        let targets = [Target::new("y", TargetKind::Category)];
        let own = json!({ "model": { "goal": "roc_auc" }, "splits": [{ "split": "test", "rows": 4, "targets": [] }] });
        let metrics = json!({ "evaluation": own, "splits": { "valid": { "rows": 2, "values": {} } } });
        let found = evaluation_of(&metrics, &targets).unwrap();
        assert_eq!((found.model.goal.as_deref(), found.splits.len()), (Some("roc_auc"), 1));
        assert_eq!(found.splits[0].split, "test");
    }

    #[test]
    fn metrics_of_earlier_versions_are_read_by_target() {
        let split = |values: Value| json!({ "splits": { "valid": { "rows": 4, "values": values } } });
        let one = [Target::new("a", TargetKind::Category)];
        let found = evaluation_of(&split(json!({ "accuracy": 0.5, "loss": 1.0 })), &one).unwrap();
        assert_eq!(names(&found.splits[0].targets[0]), ["accuracy", "loss"]);
        assert_eq!(found.splits[0].targets[0].metrics[1].larger_is_better, Some(false));
        let two = [Target::new("a", TargetKind::Category), Target::new("b", TargetKind::Number)];
        let values = json!({ "a/accuracy": 0.5, "b/mae": 2.0, "loss": 1.0 });
        let found = evaluation_of(&split(values), &two).unwrap();
        let [a, b] = found.splits[0].targets.as_slice() else { panic!("two targets") };
        assert_eq!((names(a), names(b)), (vec!["accuracy"], vec!["mae"]));
        assert!(evaluation_of(&json!({}), &one).unwrap().splits.is_empty());
    }
}
