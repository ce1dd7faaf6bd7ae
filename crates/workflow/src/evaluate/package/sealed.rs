//! Trivial model and subgroup columns that a package was published with, by which other rows are evaluated.

use cupola_registry::Package;
use cupola_train::Baseline;
use serde_json::Value;

/// Trivial model and subgroup columns of a package.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct SealedEvaluation {
    /// `None` for targets without one, and for packages that were published before it was kept.
    pub baseline: Option<Baseline>,
    /// Columns of `evaluate.subgroups`.
    pub subgroups: Vec<String>,
}

impl SealedEvaluation {
    /// Reads `metrics.json` of a package; a package without that file has neither.
    pub fn of(package: &Package) -> Self {
        let bytes = package.read("metrics.json").ok();
        let metrics: Option<Value> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        metrics.as_ref().map(Self::of_metrics).unwrap_or_default()
    }

    fn of_metrics(metrics: &Value) -> Self {
        let baseline = serde_json::from_value(metrics["baseline"]["rules"].clone()).ok();
        let mut subgroups: Vec<String> = Vec::new();
        let splits = metrics["evaluation"]["splits"].as_array().into_iter().flatten();
        let targets = splits.filter_map(|split| split["targets"].as_array()).flatten();
        for table in targets.filter_map(|target| target["subgroups"].as_array()).flatten() {
            // Crossings have several columns, which have tables of their own.
            let columns = table["columns"].as_array().filter(|columns| columns.len() == 1);
            let name = columns.and_then(|columns| columns[0].as_str());
            if let Some(name) = name.filter(|name| !subgroups.iter().any(|other| other == name)) {
                subgroups.push(name.to_owned());
            }
        }
        Self { baseline, subgroups }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn subgroup_columns_are_those_of_the_tables() {
        let table = |columns: &[&str]| json!({ "columns": columns, "groups": [] });
        let subgroups = json!([table(&["sex"]), table(&["race"]), table(&["sex", "race"])]);
        let split = json!({ "targets": [{ "target": "y", "subgroups": subgroups }] });
        let metrics = json!({ "evaluation": { "splits": [split.clone(), split] } });
        let found = SealedEvaluation::of_metrics(&metrics);
        assert_eq!(found.subgroups, ["sex", "race"]);
        assert_eq!(found.baseline, None);
        assert_eq!(SealedEvaluation::of_metrics(&Value::Null), SealedEvaluation::default());
    }
}
