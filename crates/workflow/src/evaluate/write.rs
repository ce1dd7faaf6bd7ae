//! Evaluations as files.

use std::path::{Path, PathBuf};

use cupola_report::{Evaluation, Metric, SplitEvaluation, TargetEvaluation};
use cupola_store::write_file;
use serde_json::{Map, Value, json};

use crate::error::Error;

/// Name of the page.
const PAGE: &str = "report.html";

/// Writes the page of an evaluation into an existing folder; returns its path.
///
/// # Errors
/// [`Error::Store`].
pub fn write_page(folder: &Path, evaluation: &Evaluation) -> Result<PathBuf, Error> {
    let path = folder.join(PAGE);
    write_file(&path, cupola_report::html(evaluation).as_bytes())?;
    Ok(path)
}

/// Additions of an evaluation to the metrics of a split in `metrics.json`: 95 % intervals, reasons of undefined metrics, and
/// error slices. Metrics of several targets are named `target/metric`.
///
/// # Errors
/// [`Error::Json`] for a value that does not become JSON.
pub fn evaluation_json(split: &SplitEvaluation) -> Result<Map<String, Value>, Error> {
    let several = split.targets.len() > 1;
    let mut found = Map::new();
    let (mut intervals, mut undefined) = (Map::new(), Map::new());
    for target in &split.targets {
        let key = |metric: &Metric| named(several, target, &metric.name);
        for metric in &target.metrics {
            if let Some((low, high)) = metric.interval {
                intervals.insert(key(metric), json!([low, high]));
            }
            if let Some(why) = &metric.undefined {
                undefined.insert(key(metric), json!(why));
            }
        }
    }
    let mut put = |name: &str, value: Value| {
        if !value.is_null() && value != json!({}) && value != json!([]) {
            found.insert(name.to_owned(), value);
        }
    };
    put("intervals", intervals.into());
    put("undefined", undefined.into());
    put("slices", of_targets(split, |target| Ok(serde_json::to_value(&target.slices)?))?);
    Ok(found)
}

/// Dependence of the predictions on columns, as `metrics.json` has it: a list for one target, else lists by target.
///
/// # Errors
/// [`Error::Json`] for a value that does not become JSON.
pub(super) fn dependence_json(split: &SplitEvaluation) -> Result<Value, Error> {
    let found = of_targets(split, |target| Ok(serde_json::to_value(&target.dependence)?))?;
    Ok(if found == json!([]) || found == json!({}) { Value::Null } else { found })
}

/// `importance` of columns and `dependence` on them, of a split that has them.
///
/// # Errors
/// [`Error::Json`] for a value that does not become JSON.
pub fn explanation_json(split: &SplitEvaluation) -> Result<Map<String, Value>, Error> {
    let importance = of_targets(split, |target| Ok(serde_json::to_value(&target.importance)?))?;
    let found = [("importance", importance), ("dependence", dependence_json(split)?)].into_iter();
    let found = found.filter(|(_, value)| !value.is_null() && *value != json!([]) && *value != json!({}));
    Ok(found.map(|(name, value)| (name.to_owned(), value)).collect())
}

/// Evaluation as `metrics.json` keeps it: without plots, rows and profiles.
///
/// # Errors
/// [`Error::Json`] for a value that does not become JSON.
pub fn sealed_document(evaluation: &Evaluation) -> Result<Value, Error> {
    let target = |target: &TargetEvaluation| TargetEvaluation {
        target: target.target.clone(),
        metrics: target.metrics.clone(),
        subgroups: target.subgroups.clone(),
        ..TargetEvaluation::default()
    };
    let split = |split: &SplitEvaluation| SplitEvaluation {
        split: split.split.clone(),
        rows: split.rows,
        targets: split.targets.iter().map(target).collect(),
    };
    let splits = evaluation.splits.iter().map(split).collect();
    let (model, comparison) = (evaluation.model.clone(), evaluation.comparison.clone());
    Ok(serde_json::to_value(Evaluation { model, splits, comparison, ..Evaluation::default() })?)
}

/// Value of the only target, or an object with those of all targets that have one.
fn of_targets(
    split: &SplitEvaluation,
    value: impl Fn(&TargetEvaluation) -> Result<Value, Error>,
) -> Result<Value, Error> {
    if let [only] = split.targets.as_slice() {
        return value(only);
    }
    let mut all = Map::new();
    for target in &split.targets {
        let own = value(target)?;
        if own != json!([]) {
            all.insert(target.target.clone(), own);
        }
    }
    Ok(all.into())
}

fn named(several: bool, target: &TargetEvaluation, metric: &str) -> String {
    if several { format!("{}/{metric}", target.target) } else { metric.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_and_reasons_are_beside_the_values() {
        let metric = |name: &str, value: Option<f64>| Metric {
            name: name.to_owned(),
            value,
            interval: value.map(|value| (value - 0.1, value + 0.1)),
            undefined: value.is_none().then(|| "one class".to_owned()),
            ..Metric::default()
        };
        let metrics = vec![metric("accuracy", Some(0.5)), metric("roc_auc", None)];
        let target = TargetEvaluation { target: "y".to_owned(), metrics, ..TargetEvaluation::default() };
        let one = SplitEvaluation { targets: vec![target.clone()], ..SplitEvaluation::default() };
        let found = evaluation_json(&one).unwrap();
        assert_eq!(found["intervals"]["accuracy"], json!([0.4, 0.6]));
        assert_eq!(found["undefined"], json!({ "roc_auc": "one class" }));
        assert!(!found.contains_key("subgroups"));
        let two = SplitEvaluation { targets: vec![target.clone(), target], ..SplitEvaluation::default() };
        assert!(evaluation_json(&two).unwrap()["intervals"].get("y/accuracy").is_some());
    }
}
