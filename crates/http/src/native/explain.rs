//! Option `explain` of a request for predictions: `true`, or an object.

use std::time::Duration;

use cupola_runtime::ExplainOptions;
use cupola_spec::did_you_mean;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use crate::error::ApiError;

/// Keys of the object.
const KEYS: [&str; 4] = ["target", "class", "method", "budget_ms"];
/// Longest time for explanations in milliseconds; the request's deadline ends them too.
const MOST_MILLISECONDS: u64 = 3_600_000;

/// Body of which only the option is read; its rows are checked where they are parsed.
#[derive(Deserialize)]
struct ExplainBody {
    /// As it is written: a number that no float holds is an error of the option, not of the body.
    explain: Option<Box<RawValue>>,
    #[serde(default, rename = "rows")]
    _rows: IgnoredAny,
}

/// Reads the option from a body; `None` if it asks for no explanation, or is no JSON object, which the parser of rows
/// refuses.
///
/// # Errors
/// [`ApiError`] for an invalid option, with its path.
pub(super) fn explain_of_body(body: &[u8]) -> Result<Option<ExplainOptions>, ApiError> {
    // Most bodies lack the word, and need no second pass of the parser. It would also read a list as a struct.
    if body.trim_ascii_start().first() != Some(&b'{') || !body.windows(9).any(|part| part == b"\"explain\"") {
        return Ok(None);
    }
    let Ok(ExplainBody { explain: Some(option), .. }) = serde_json::from_slice(body) else { return Ok(None) };
    match serde_json::from_str(option.get()) {
        Ok(Value::Null | Value::Bool(false)) => Ok(None),
        Ok(Value::Bool(true)) => Ok(Some(ExplainOptions::default())),
        Ok(Value::Object(options)) => read(&options).map(Some),
        Ok(_) | Err(_) => {
            let message = "`explain` must be true, false or an object; send true";
            Err(ApiError::invalid_value(message, "explain"))
        }
    }
}

fn read(options: &Map<String, Value>) -> Result<ExplainOptions, ApiError> {
    if let Some(unknown) = options.keys().find(|key| !KEYS.contains(&key.as_str())) {
        let near = did_you_mean(unknown, KEYS);
        let message = format!(
            "unknown key `{}` in `explain`{near}; expected {}",
            unknown.escape_debug(),
            KEYS.join(", ")
        );
        return Err(ApiError::invalid_value(message, "explain"));
    }
    let text = |key: &str| match options.get(key) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        // Classes may be numbers.
        Some(value @ (Value::Number(_) | Value::Bool(_))) if key == "class" => Ok(Some(value.to_string())),
        Some(_) => Err(invalid(key, "a string")),
    };
    let method = text("method")?.map(|name| name.parse()).transpose();
    let method = method.map_err(|error: cupola_runtime::Error| {
        ApiError::invalid_value(error.to_string(), "explain.method")
    })?;
    let time = match options.get("budget_ms") {
        None | Some(Value::Null) => None,
        Some(value) => match value.as_u64() {
            Some(time) if (1..=MOST_MILLISECONDS).contains(&time) => Some(Duration::from_millis(time)),
            _ => return Err(invalid("budget_ms", "a whole number of milliseconds from 1 to 3600000")),
        },
    };
    Ok(ExplainOptions { target: text("target")?, class: text("class")?, method, time })
}

fn invalid(key: &str, expected: &str) -> ApiError {
    ApiError::invalid_value(format!("`explain.{key}` must be {expected}"), &format!("explain.{key}"))
}

#[cfg(test)]
mod tests {
    use cupola_runtime::ExplainMethod;

    use super::*;

    fn of(body: &str) -> Result<Option<ExplainOptions>, (u16, String, Option<String>)> {
        explain_of_body(body.as_bytes()).map_err(|error| (error.status.as_u16(), error.message, error.field))
    }

    #[test]
    fn options_are_read_from_the_body_alone() {
        for body in
            ["{\"rows\": []}", "{\"rows\": [{\"explain\": true}]}", "{\"explain\": false}", "[\"explain\"]"]
        {
            assert_eq!(of(body), Ok(None), "{body}");
        }
        assert_eq!(of("{\"explain\": true, \"rows\": [{\"a\": 1}]}"), Ok(Some(ExplainOptions::default())));
        let all = "{\"rows\": [], \"explain\": {\"target\": \"y\", \"class\": 3, \"method\": \"tree_shap\", \"budget_ms\": 50}}";
        let expected = ExplainOptions {
            target: Some("y".to_owned()),
            class: Some("3".to_owned()),
            method: Some(ExplainMethod::TreeShap),
            time: Some(Duration::from_millis(50)),
        };
        assert_eq!(of(all), Ok(Some(expected)));
    }

    #[test]
    fn invalid_options_name_their_key_and_what_is_near() {
        for (options, field, words) in [
            ("1", "explain", "must be true, false or an object"),
            ("{\"taget\": \"y\"}", "explain", "did you mean `target`?"),
            ("{\"method\": \"shap\"}", "explain.method", "unknown method `shap`"),
            ("{\"budget_ms\": 0}", "explain.budget_ms", "from 1 to"),
            ("{\"budget_ms\": \"1\"}", "explain.budget_ms", "whole number"),
            ("{\"class\": []}", "explain.class", "must be a string"),
        ] {
            let (status, message, found) = of(&format!("{{\"explain\": {options}}}")).unwrap_err();
            assert_eq!((status, found.as_deref()), (400, Some(field)), "{options}");
            assert!(message.contains(words), "{message}");
        }
    }

    #[test]
    fn no_body_breaks_the_option() {
        let seeds: [&[u8]; 2] =
            [b"{\"explain\": {\"class\": 1, \"budget_ms\": 5}}", b"{\"rows\": [], \"explain\": true}"];
        cupola_testkit::fuzz(&seeds, |body| drop(explain_of_body(body)));
    }
}
