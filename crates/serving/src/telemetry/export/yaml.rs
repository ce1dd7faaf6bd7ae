//! The little YAML that the files need.

/// A text in double quotes, which YAML reads as JSON does.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Seconds as a duration of Prometheus, such as `30m`.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 1, and whole")]
pub(super) fn duration(seconds: f64) -> String {
    let seconds = seconds.max(1.0).round() as u64;
    let unit =
        [(86_400, "d"), (3_600, "h"), (60, "m")].into_iter().find(|(unit, _)| seconds.is_multiple_of(*unit));
    let (unit, name) = unit.unwrap_or((1, "s"));
    format!("{}{name}", seconds / unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_of_a_unit() {
        let all = [90.0, 1_800.0, 7_200.0, 259_200.0, 0.4].map(duration);
        assert_eq!(all, ["90s", "30m", "2h", "3d", "1s"]);
    }
}
