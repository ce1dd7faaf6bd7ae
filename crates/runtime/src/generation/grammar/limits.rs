//! Limits of schemas and of the work that following them takes.

use llguidance::api::ParserLimits;
use serde_json::Value;

use crate::error::Error;

/// Values of the schemas of a request.
const MAX_VALUES: usize = 20_000;
/// Bytes of the keys and texts of the schemas of a request.
const MAX_BYTES: usize = 1 << 20;
/// Depth of a schema.
const MAX_DEPTH: usize = 80;
/// Bytes of a regular expression.
const MAX_PATTERN: usize = 4_096;
/// Largest `multipleOf` without its trailing zeros: the lexer has a state for each remainder.
const MAX_MULTIPLE: u64 = 10_000;
/// States of a lexer, of which each takes up to 2 kB.
const MAX_LEXER_STATES: usize = 50_000;

/// Items of a row of the Earley parser; each optional property of an object has four.
const MAX_ROW_ITEMS: usize = 10_000;

/// Limits of llguidance. The states are those of all texts of a request together.
pub(super) fn parser_limits() -> ParserLimits {
    ParserLimits {
        max_lexer_states: MAX_LEXER_STATES,
        max_items_in_row: MAX_ROW_ITEMS,
        verbose_errors: false,
        ..ParserLimits::default()
    }
}

/// Checks the sizes of the schemas of a request, before anything is computed from them.
///
/// # Errors
/// [`Error::Grammar`] with the limit that is exceeded.
pub(super) fn check_sizes<'a>(schemas: impl IntoIterator<Item = &'a Value>) -> Result<(), Error> {
    let (mut values, mut bytes) = (0_usize, 0_usize);
    let mut open: Vec<(&Value, usize)> = schemas.into_iter().map(|schema| (schema, 1)).collect();
    while let Some((value, depth)) = open.pop() {
        values += 1;
        if values > MAX_VALUES {
            return Err(too_large(format!("schemas may have {MAX_VALUES} values")));
        }
        if depth > MAX_DEPTH {
            return Err(too_large(format!("schemas may be {MAX_DEPTH} values deep")));
        }
        match value {
            Value::String(text) => bytes = bytes.saturating_add(text.len()),
            Value::Array(items) => open.extend(items.iter().map(|item| (item, depth + 1))),
            Value::Object(entries) => {
                check_keywords(entries)?;
                bytes = entries.keys().fold(bytes, |bytes, key| bytes.saturating_add(key.len()));
                open.extend(entries.values().map(|value| (value, depth + 1)));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
        if bytes > MAX_BYTES {
            return Err(too_large(format!("keys and texts of schemas may have {MAX_BYTES} bytes")));
        }
    }
    Ok(())
}

fn check_keywords(entries: &serde_json::Map<String, Value>) -> Result<(), Error> {
    let pattern = entries.get("pattern").and_then(Value::as_str);
    let keys = entries.get("patternProperties").and_then(Value::as_object);
    let mut patterns =
        pattern.into_iter().chain(keys.into_iter().flat_map(|keys| keys.keys().map(String::as_str)));
    if patterns.any(|pattern| pattern.len() > MAX_PATTERN) {
        return Err(too_large(format!("patterns may have {MAX_PATTERN} bytes")));
    }
    match entries.get("multipleOf") {
        Some(Value::Number(multiple)) if significant(&multiple.to_string()) > MAX_MULTIPLE => {
            let why = format!("`multipleOf` may be {MAX_MULTIPLE} times a power of ten, found {multiple}");
            Err(too_large(why))
        }
        _ => Ok(()),
    }
}

/// Digits of a number without its sign, point, exponent, and zeros at both ends; the largest number if there are too
/// many.
fn significant(number: &str) -> u64 {
    let mantissa = number.split(['e', 'E']).next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_start_matches('0').trim_end_matches('0');
    if digits.is_empty() { 0 } else { digits.parse().unwrap_or(u64::MAX) }
}

fn too_large(why: impl std::fmt::Display) -> Error {
    Error::Grammar { why: format!("it is too large: {why}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn ordinary_schemas_are_within_the_limits_and_large_ones_are_not() {
        let properties: serde_json::Map<String, Value> = (0..1_000)
            .map(|index| (format!("p{index}"), json!({ "type": "string", "maxLength": 100_000 })))
            .collect();
        assert!(check_sizes([&json!({ "type": "object", "properties": properties })]).is_ok());
        let values: Vec<usize> = (0..15_000).collect();
        let one = json!({ "enum": values });
        assert!(check_sizes([&one]).is_ok());
        assert!(check_sizes([&one, &one]).is_err());
        for (multiple, fits) in [
            (json!(0.01), true),
            (json!(1_000_000), true),
            (json!(2.5), true),
            (json!(1e-300), true),
            (json!(10_007), false),
            (json!(0.123_456), false),
            (json!(u64::MAX), false),
        ] {
            assert_eq!(check_sizes([&json!({ "multipleOf": multiple })]).is_ok(), fits, "{multiple}");
        }
    }
}
