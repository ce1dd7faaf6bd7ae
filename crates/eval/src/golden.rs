//! Numbers of other libraries that tests compare with.

use serde_json::Value;

use crate::metrics::NamedValues;

/// Entries of a golden file.
pub fn metrics() -> Value {
    serde_json::from_str(include_str!("golden/metrics.json")).unwrap()
}

/// List of numbers of a case.
pub fn list(case: &Value, name: &str) -> Vec<f64> {
    serde_json::from_value(case[name].clone()).unwrap()
}

/// Asserts that two numbers agree within 1e-9.
#[track_caller]
pub fn close(name: &str, found: f64, expected: f64) {
    assert!((found - expected).abs() < 1e-9, "{name}: {found}, expected {expected}");
}

/// Asserts that the expected values are among those found.
#[track_caller]
pub fn compare(found: &NamedValues, expected: &Value) {
    for (name, expected) in expected.as_object().unwrap() {
        let value = found.iter().find(|(own, _)| own == name).unwrap_or_else(|| panic!("no {name}"));
        close(name, value.1.clone().unwrap(), expected.as_f64().unwrap());
    }
}
