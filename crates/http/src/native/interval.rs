//! Option `interval` of a request for predictions: `true`, or a coverage.

use cupola_runtime::IntervalRequest;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::ApiError;

/// Body of which only the option is read; its rows are checked where they are parsed.
#[derive(Deserialize)]
struct IntervalBody {
    /// As it is written: a number that no float holds is an error of the option, not of the body.
    interval: Option<Box<RawValue>>,
    #[serde(default, rename = "rows")]
    _rows: IgnoredAny,
}

/// Reads the option from a body; `None` if it asks for no interval, or is no JSON object, which the parser of rows refuses.
///
/// # Errors
/// [`ApiError`] for a value that is neither a boolean nor a number.
pub(super) fn interval_of_body(body: &[u8]) -> Result<Option<IntervalRequest>, ApiError> {
    // Most bodies lack the word, and need no second pass of the parser. It would also read a list as a struct.
    if body.trim_ascii_start().first() != Some(&b'{') || !body.windows(10).any(|part| part == b"\"interval\"")
    {
        return Ok(None);
    }
    let Ok(IntervalBody { interval: Some(interval), .. }) = serde_json::from_slice(body) else {
        return Ok(None);
    };
    interval_of(&serde_json::from_str(interval.get()).map_err(|_| invalid())?)
}

/// Reads the option from a JSON value.
///
/// # Errors
/// As [`interval_of_body`].
pub(crate) fn interval_of(value: &Value) -> Result<Option<IntervalRequest>, ApiError> {
    match value {
        Value::Null | Value::Bool(false) => Ok(None),
        Value::Bool(true) => Ok(Some(IntervalRequest::Sealed)),
        Value::Number(number) => Ok(number.as_f64().map(IntervalRequest::Coverage)),
        _ => Err(invalid()),
    }
}

/// Reads the option from the value of a query parameter; a coverage has a decimal point or is a whole number.
///
/// # Errors
/// As [`interval_of_body`].
pub(super) fn interval_of_query(value: &str) -> Result<Option<IntervalRequest>, ApiError> {
    match value {
        "true" => Ok(Some(IntervalRequest::Sealed)),
        "false" => Ok(None),
        number => match number.parse() {
            Ok(coverage) => Ok(Some(IntervalRequest::Coverage(coverage))),
            Err(_) => Err(invalid()),
        },
    }
}

fn invalid() -> ApiError {
    let message = "`interval` must be true, false or a number between 0 and 1; send 0.9 for intervals that hold nine of ten targets";
    ApiError::invalid_value(message, "interval")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_from_the_body_alone() {
        let of = |body: &str| {
            interval_of_body(body.as_bytes()).map_err(|error| (error.status.as_u16(), error.field))
        };
        for body in [
            "{\"rows\": []}",
            "{\"rows\": [{\"interval\": 0.9}]}",
            "{\"interval\": false}",
            "{\"interval\": null}",
            "[\"interval\"]",
        ] {
            assert_eq!(of(body), Ok(None), "{body}");
        }
        assert_eq!(of("{\"rows\": [{\"a\": 1}], \"interval\": true}"), Ok(Some(IntervalRequest::Sealed)));
        for (value, coverage) in [("0.9", 0.9), ("1", 1.0), ("-3", -3.0)] {
            let found = of(&format!("{{\"interval\": {value}, \"rows\": []}}"));
            assert_eq!(found, Ok(Some(IntervalRequest::Coverage(coverage))));
        }
        for value in ["\"0.9\"", "[]", "{}"] {
            assert_eq!(of(&format!("{{\"interval\": {value}}}")), Err((400, Some("interval".to_owned()))));
        }
        assert_eq!(interval_of_query("0.8").unwrap(), Some(IntervalRequest::Coverage(0.8)));
        assert!(interval_of_query("wide").is_err());
    }

    #[test]
    fn no_body_breaks_the_option() {
        let seeds: [&[u8]; 2] = [b"{\"interval\": 0.9, \"rows\": []}", b"{\"rows\": [], \"interval\": true}"];
        cupola_testkit::fuzz(&seeds, |body| drop(interval_of_body(body)));
    }
}
