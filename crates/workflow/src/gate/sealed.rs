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

/// Targets of a plan; none of a network that outputs a vector.
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
pub(crate) fn evaluation_of(metrics: &Value, targets: &[Target]) -> Result<Evaluation, Error> {
    if let Some(document) = metrics.get("evaluation") {
        return Ok(serde_json::from_value(document.clone())?);
    }
    // In a document the splits are a list, in the form of earlier versions a table by name.
    let Some(splits) = metrics["splits"].as_object() else {
        return Ok(serde_json::from_value(metrics.clone())?);
    };
    let splits = splits
        .iter()
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
