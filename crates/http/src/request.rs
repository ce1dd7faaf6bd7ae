//! Parts of a request that every protocol reads.

mod body;
mod budget;
mod explain;
mod form;
mod keys;
mod rows;

use std::time::Duration;

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::Response;
use cupola_runtime::BulkFormat;
use cupola_serving::RequestMetadata;
use uuid::Uuid;

pub(crate) use self::body::{FullBody, UnreadBody, held_response};
pub(crate) use self::budget::{RequestBudget, budget_of};
pub(crate) use self::form::{FormPart, boundary, form_parts};
pub(crate) use self::keys::{each_key, repeated, shortened};
pub(crate) use self::rows::{invalid_lines, invalid_rows, json_objects, no_rows};
use crate::error::ApiError;

/// Header with the id of a request, in requests and responses.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Header with the version that responded, where the body has no place for it.
pub(crate) const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");
/// Header with the warnings of a response, where the body has no place for them: a JSON list of texts.
pub(crate) const WARNINGS: HeaderName = HeaderName::from_static("x-cupola-warnings");

/// Longest request id that is accepted from a client.
const MAX_ID_BYTES: usize = 128;

/// Headers as the serving layer reads them.
pub(crate) struct Headers<'a>(pub &'a HeaderMap);

impl RequestMetadata for Headers<'_> {
    fn value(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(HeaderValue::as_bytes)
    }

    fn names(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

/// Timeout of the server, or a shorter one from `x-timeout-ms`.
pub(crate) fn timeout(headers: &HeaderMap, max: Duration) -> Result<Duration, ApiError> {
    let Some(value) = headers.get("x-timeout-ms") else { return Ok(max) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok());
    let millis =
        millis.ok_or_else(|| ApiError::malformed("`x-timeout-ms` must be a number of milliseconds"))?;
    Ok(max.min(Duration::from_millis(millis)))
}

/// `content-type`; empty if it is missing.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// Format of a body of many rows; `None` for JSON, which every other content type, and none, stands for.
pub(crate) fn format_of(headers: &HeaderMap) -> Option<BulkFormat> {
    BulkFormat::from_content_type(&content_type(headers).to_ascii_lowercase())
}

/// Key or token from `Authorization: Bearer TOKEN` or `x-api-key: TOKEN`.
pub(crate) fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|text| text.strip_prefix("Bearer ").or(text.strip_prefix("bearer ")));
    bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok())).map(str::trim)
}

/// The client's `x-request-id` if it is a plain word, else a new UUID that sorts by time.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= MAX_ID_BYTES
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    given.filter(plain).map_or_else(|| Uuid::now_v7().to_string(), str::to_owned)
}

/// Response with its `x-request-id`.
pub(crate) fn with_request_id(mut response: Response, request_id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    response
}

/// Splits `NAME` or `NAME:VERSION`.
pub(crate) fn name_and_version(text: &str) -> Result<(&str, Option<u64>), ApiError> {
    cupola_store::split_version(text).map_err(|_| ApiError::invalid_version(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_ids_are_accepted_and_others_replaced() {
        let id = |given: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            if let Some(given) = given {
                headers.insert("x-request-id", HeaderValue::from_static(given));
            }
            request_id(&headers)
        };
        assert_eq!(id(Some("abc-1_2.3:4")), "abc-1_2.3:4");
        for given in [None, Some(""), Some("a b<script>")] {
            assert_eq!(Uuid::parse_str(&id(given)).unwrap().get_version_num(), 7, "{given:?}");
        }
        assert_ne!(id(None), id(None));
    }
}
