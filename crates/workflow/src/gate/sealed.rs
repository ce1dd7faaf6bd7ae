//! Evaluation that is sealed in a package.

use cupola_eval::{Metrics, larger_is_better};
use cupola_prep::{FittedTarget, Plan};
use cupola_registry::Package;
use cupola_report::{Evaluation, Metric, ModelSection, SplitEvaluation, TargetEvaluation};
use cupola_spec::{Target, TargetKind};
use serde::de::DeserializeOwned;
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
        FittedTarget::Embedding { .. } => None,
    };
    plan.targets.iter().filter_map(|target| Some(Target::new(target.name(), kind(target)?))).collect()
}

/// Evaluation of the content of `metrics.json`.
fn evaluation_of(metrics: &Value, targets: &[Target]) -> Result<Evaluation, Error> {
    let model = ModelSection {
        latency: optional(&metrics["latency"])?,
        goal: metrics["goal"].as_str().map(str::to_owned),
        ..ModelSection::default()
    };
    let splits = metrics["splits"].as_object().into_iter().flatten();
    let splits = splits.map(|(name, split)| split_of(name, split, targets)).collect::<Result<_, Error>>()?;
    Ok(Evaluation { model, splits, ..Evaluation::default() })
}

/// One of `splits`: metrics by name, those of several targets as `target/metric`; beside them their intervals, reasons
/// for which they are undefined, and subgroups.
fn split_of(name: &str, split: &Value, targets: &[Target]) -> Result<SplitEvaluation, Error> {
    let metrics: Metrics = serde_json::from_value(split.clone())?;
    let single = targets.len() == 1;
    let targets = targets.iter().map(|target| {
        let prefix = format!("{}/", target.name);
        let own = |key: &str| {
            if single { Some(key.to_owned()) } else { key.strip_prefix(&prefix).map(str::to_owned) }
        };
        let metric = |key: &str| {
            let name = own(key)?;
            Some(Metric { larger_is_better: larger_is_better(&name), name, ..Metric::default() })
        };
        let mut found = Vec::new();
        for (key, value) in &metrics.values {
            let Some(metric) = metric(key) else { continue };
            let interval = optional(&split["intervals"][key.as_str()])?;
            found.push(Metric { value: Some(*value), interval, ..metric });
        }
        for (key, reason) in &metrics.undefined {
            found.extend(metric(key).map(|metric| Metric { undefined: Some(reason.clone()), ..metric }));
        }
        let subgroups = if single { &split["subgroups"] } else { &split["subgroups"][target.name.as_str()] };
        Ok(TargetEvaluation {
            target: target.name.clone(),
            metrics: found,
            subgroups: optional(subgroups)?.unwrap_or_default(),
            ..TargetEvaluation::default()
        })
    });
    let targets = targets.collect::<Result<_, Error>>()?;
    let rows = u64::try_from(metrics.rows).unwrap_or(u64::MAX);
    Ok(SplitEvaluation { split: name.to_owned(), rows, targets })
}

fn optional<T: DeserializeOwned>(value: &Value) -> Result<Option<T>, Error> {
    Ok(if value.is_null() { None } else { Some(serde_json::from_value(value.clone())?) })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sealed_numbers_are_those_of_the_document() {
        let metrics = json!({
            "goal": "roc_auc",
            "latency": { "p50_us": 80.0, "p99_us": 120.0, "passes": 200 },
            "splits": { "test": {
                "rows": 40,
                "values": { "accuracy": 0.9 },
                "intervals": { "accuracy": [0.8, 0.95] },
                "undefined": { "roc_auc": "one class" },
                "subgroups": [{ "columns": ["sex"], "groups": [], "left_out": 2, "gaps": [] }],
            } },
        });
        let found = evaluation_of(&metrics, &[Target::new("income", TargetKind::Category)]).unwrap();
        assert_eq!(found.model.goal.as_deref(), Some("roc_auc"));
        assert!((found.model.latency.unwrap().p99_us - 120.0).abs() < 1e-9);
        let [target] = found.splits[0].targets.as_slice() else { panic!("one target") };
        assert_eq!(target.metrics[0].interval, Some((0.8, 0.95)));
        assert_eq!(target.metrics[0].larger_is_better, Some(true));
        assert_eq!(
            (target.metrics[1].value, target.metrics[1].undefined.as_deref()),
            (None, Some("one class"))
        );
        assert_eq!(target.subgroups[0].left_out, 2);
    }

    #[test]
    fn metrics_of_several_targets_are_told_apart() {
        let split = json!({
            "rows": 4,
            "values": { "a/accuracy": 0.5, "b/mae": 2.0, "loss": 1.0 },
            "subgroups": { "b": [{ "columns": ["sex"], "groups": [], "left_out": 0, "gaps": [] }] },
        });
        let metrics = json!({ "splits": { "valid": split } });
        let targets = [Target::new("a", TargetKind::Category), Target::new("b", TargetKind::Number)];
        let found = evaluation_of(&metrics, &targets).unwrap();
        let [a, b] = found.splits[0].targets.as_slice() else { panic!("two targets") };
        let names =
            |target: &TargetEvaluation| target.metrics.iter().map(|one| one.name.clone()).collect::<Vec<_>>();
        assert_eq!((names(a), names(b)), (vec!["accuracy".to_owned()], vec!["mae".to_owned()]));
        assert_eq!((a.subgroups.len(), b.subgroups.len()), (0, 1));
    }
}
