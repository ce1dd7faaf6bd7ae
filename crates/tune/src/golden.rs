//! Numbers of other libraries that tests compare with.

use serde_json::Value;

/// Entries of `golden/samplers.json`.
pub fn samplers() -> Value {
    serde_json::from_str(include_str!("golden/samplers.json")).expect("valid JSON")
}

/// Lists of numbers of an entry.
pub fn columns(entry: &Value) -> Vec<Vec<f64>> {
    serde_json::from_value(entry.clone()).expect("lists of numbers")
}
