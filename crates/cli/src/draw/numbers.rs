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

/// Duration in the two largest units: `0.4 s`, `12 s`, `3 min 5 s`, `2 h 7 min`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn duration(seconds: f64) -> String {
    if seconds < 9.95 {
        return format!("{seconds:.1} s");
    }
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// `accuracy 0.9777, macro_f1 0.9776`
pub fn metrics<'a>(values: impl IntoIterator<Item = (&'a String, f64)>) -> String {
    let each = values.into_iter().map(|(name, value)| format!("{name} {}", metric(value)));
    each.collect::<Vec<_>>().join(", ")
}

/// Value of a setting: a text without its quotes, anything else as JSON, shortened to 40 characters.
pub fn setting(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}

/// First three metrics of a JSON object.
pub fn summary(values: &Value) -> String {
    let first = values.as_object().into_iter().flatten().take(3);
    metrics(first.filter_map(|(name, value)| Some((name, value.as_f64()?))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_the_units_of_their_size() {
        let cases = [
            (0.04, "0.0 s"),
            (9.96, "10 s"),
            (59.7, "1 min 0 s"),
            (125.0, "2 min 5 s"),
            (7_620.0, "2 h 7 min"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected);
        }
    }
}
