//! Numbers as people read them.

use serde_json::Value;

/// 12345678 as "12,345,678".
pub fn grouped(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Share of `part` in `whole` with one decimal.
#[allow(clippy::cast_precision_loss)]
pub fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

/// Metric with four decimals, or one from 1000 on.
pub fn metric(value: f64) -> String {
    if value.abs() >= 1000.0 { format!("{value:.1}") } else { format!("{value:.4}") }
}

/// `accuracy 0.9777, macro_f1 0.9776`
pub fn metrics<'a>(values: impl IntoIterator<Item = (&'a String, f64)>) -> String {
    let each = values.into_iter().map(|(name, value)| format!("{name} {}", metric(value)));
    each.collect::<Vec<_>>().join(", ")
}

/// First three metrics of a JSON object.
pub fn summary(values: &Value) -> String {
    let first = values.as_object().into_iter().flatten().take(3);
    metrics(first.filter_map(|(name, value)| Some((name, value.as_f64()?))))
}
