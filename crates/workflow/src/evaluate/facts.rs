//! Facts about a package beside its metrics: decisions that were fitted after training, and its gate.

use cupola_registry::{GATE, Package};
use serde_json::Value;

/// Names and values of the facts that the package's files tell.
pub(super) fn facts(package: &Package) -> Vec<(String, String)> {
    let metrics = file(package, "metrics.json");
    let mut found: Vec<(String, String)> = Vec::new();
    found.extend(calibration(&metrics["calibration"]).map(|text| ("calibration".to_owned(), text)));
    for (target, tuned) in metrics["threshold"].as_object().into_iter().flatten() {
        if let Some(threshold) = tuned["threshold"].as_f64() {
            let text = format!("{threshold:.4}, tuned on the valid split");
            found.push((format!("threshold of {target}"), text));
        }
    }
    found.extend(intervals(&metrics["uncertainty"]).map(|text| ("intervals".to_owned(), text)));
    found.extend(gate(&file(package, GATE)).map(|text| ("gate".to_owned(), text)));
    found
}

fn file(package: &Package, name: &str) -> Value {
    let known = package.manifest.files.contains_key(name);
    let bytes = known.then(|| package.read(name).ok()).flatten();
    bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default()
}

/// `platt; on the test split log loss 0.1508 to 0.1450, ECE 0.0310 to 0.0114`, and a note on the valid split.
fn calibration(found: &Value) -> Option<String> {
    let methods: Vec<&str> =
        found["targets"].as_object()?.values().filter_map(|target| target["method"].as_str()).collect();
    let change = |metric: &str, name: &str| {
        let [before, after] = ["before", "after"].map(|when| found[when][metric].as_f64());
        Some(format!("{name} {:.4} to {:.4}", before?, after?))
    };
    let changes: Vec<String> =
        [change("log_loss", "log loss"), change("ece", "ECE")].into_iter().flatten().collect();
    let split = found["split"].as_str().unwrap_or("valid");
    let methods = methods.join(", ");
    // Packages of earlier versions do not say so, and were fitted on the same rows.
    let seen = if split == "valid" { ", the rows it was fitted on," } else { "" };
    let note = "its probabilities of the valid split are in-sample and look better than they are";
    Some(match changes.as_slice() {
        [] => format!("{methods}; {note}"),
        changes => format!("{methods}; on the {split} split{seen} {}; {note}", changes.join(", ")),
    })
}

/// `split, coverage 0.9, 5223 calibration rows`
fn intervals(found: &Value) -> Option<String> {
    let rows = found["rows"].as_u64().map_or_else(String::new, |rows| format!(", {rows} calibration rows"));
    Some(format!("{}, coverage {}{rows}", found["method"].as_str()?, found["coverage"].as_f64()?))
}

/// `passed`, or `broken` with the conditions.
fn gate(found: &Value) -> Option<String> {
    if found["passed"].as_bool()? {
        return Some("passed".to_owned());
    }
    let conditions = found["conditions"].as_array()?.iter();
    let broken = conditions.filter(|condition| condition["outcome"] != "passed");
    let keys: Vec<&str> = broken.filter_map(|condition| condition["key"].as_str()).collect();
    Some(format!("broken: {}", keys.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn facts_are_told_in_words() {
        let found = json!({
            "targets": { "y": { "method": "platt" } }, "split": "test",
            "before": { "log_loss": 0.2, "ece": 0.1 }, "after": { "log_loss": 0.15, "ece": 0.05 }
        });
        assert_eq!(
            calibration(&found).unwrap(),
            "platt; on the test split log loss 0.2000 to 0.1500, ECE 0.1000 to 0.0500; its probabilities of the valid split are in-sample and look better than they are"
        );
        let found = json!({
            "targets": { "y": { "method": "isotonic" } }, "split": "valid",
            "before": { "log_loss": 0.2 }, "after": { "log_loss": 0.1 }
        });
        let text = calibration(&found).unwrap();
        assert!(
            text.starts_with("isotonic; on the valid split, the rows it was fitted on, log loss"),
            "{text}"
        );
        let found = json!({ "method": "split", "coverage": 0.9, "rows": 40 });
        assert_eq!(intervals(&found).unwrap(), "split, coverage 0.9, 40 calibration rows");
        let found = json!({ "passed": false, "conditions": [
            { "key": "test/f1", "outcome": "broken" }, { "key": "test/ece", "outcome": "passed" }] });
        assert_eq!(gate(&found).unwrap(), "broken: test/f1");
        assert_eq!(
            (calibration(&Value::Null), intervals(&Value::Null), gate(&Value::Null)),
            (None, None, None)
        );
    }
}
