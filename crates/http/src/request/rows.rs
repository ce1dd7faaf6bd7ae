//! Rows of JSON bodies, and errors of bodies that are not rows.

use axum::http::HeaderMap;
use cupola_runtime::{BulkFormat, json_lines, json_rows};
use serde_json::{Map, Value};

use super::explain::{explain, explain_lines};
use super::format_of;
use super::keys::check_keys;
use crate::error::ApiError;

/// Rows of `{"rows": [...]}`, or one object per line if the content type says so.
pub(crate) fn json_objects(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Map<String, Value>>, ApiError> {
    let lines = format_of(headers) == Some(BulkFormat::Lines);
    let rows = if lines {
        json_lines(body).map_err(|error| invalid_lines(body, &error.to_string()))?
    } else {
        json_rows(body).map_err(|error| invalid_rows(body, &error.to_string()))?
    };
    if rows.is_empty() {
        return Err(no_rows());
    }
    check_keys(lines, body)?;
    Ok(rows)
}

/// Body that does not parse as `{"rows": [...]}`; `why` is the parser's message.
pub(crate) fn invalid_rows(body: &[u8], why: &str) -> ApiError {
    let why = explain(body, why);
    ApiError::malformed(format!("invalid body: expected {{\"rows\": [{{column: value}}]}}: {why}"))
}

/// Body that does not parse as JSON lines; `why` is the parser's message.
pub(crate) fn invalid_lines(body: &[u8], why: &str) -> ApiError {
    let why = explain_lines(body, why);
    ApiError::malformed(format!("invalid body: expected one object {{column: value}} per line: {why}"))
}

/// Request without rows.
pub(crate) fn no_rows() -> ApiError {
    ApiError::malformed("the request has no rows; send at least one row")
}
