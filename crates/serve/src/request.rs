//! What every handler reads of a request.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::extract::rejection::BytesRejection;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;

use crate::answer::Refusal;
use crate::state::Shared;

/// A body that did not come whole, or is too large.
pub(crate) fn refused_body(rejection: &BytesRejection, limit: usize) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is larger than {limit} bytes; send fewer rows at once");
        return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message);
    }
    Refusal::new(StatusCode::BAD_REQUEST, "malformed", "the body ended too early; send it whole")
}

/// The server's time limit, or a shorter one from `x-timeout-ms`.
pub(crate) fn deadline(headers: &HeaderMap, most: Duration) -> Result<Duration, Refusal> {
    let Some(value) = headers.get("x-timeout-ms") else { return Ok(most) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let message = "x-timeout-ms is not a number of milliseconds";
        Refusal::new(StatusCode::BAD_REQUEST, "malformed", message)
    })?;
    Ok(most.min(Duration::from_millis(millis)))
}

/// What the body is said to be; nothing where that is not told.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The caller's `x-request-id` if it is a plain word, else one of our own.
pub(crate) fn request_id(headers: &HeaderMap) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= 128
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    given.filter(plain).map_or_else(
        || {
            let nanos = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| d.as_nanos());
            format!("{nanos:x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed))
        },
        str::to_owned,
    )
}

/// Names the request in its answer.
pub(crate) fn tag(mut response: Response, request_id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// What a client may take longer for its body than a request may take in all.
const GRACE: Duration = Duration::from_secs(5);

/// A client that is slow with its body holds nothing for ever, and a panic is answered: it would end the
/// connection, with all that others ask for on it.
pub(crate) async fn in_time(State(app): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let most = app.settings.timeout + GRACE;
    let answered = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(most, answered).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => {
            let message = "the server has made a mistake; its log says which";
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message).into_response()
        }
        Err(_) => {
            let message = format!("the request was not whole within {most:?}; send it faster");
            Refusal::new(StatusCode::REQUEST_TIMEOUT, "too_slow", message).into_response()
        }
    }
}
