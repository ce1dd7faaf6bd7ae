//! Time limit and panic boundary of a request.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;

use crate::error::{ApiError, ErrorFormat};
use crate::state::RequestLimits;

/// Time that a client may take for its body beyond the timeout of a request.
pub(super) const BODY_GRACE: Duration = Duration::from_secs(5);

/// Ends requests of clients that send their body too slowly. A panic becomes a response: it would otherwise
/// close the connection, with all other requests on it.
pub(crate) async fn limit_time(
    State(limits): State<RequestLimits>,
    request: Request,
    next: Next,
) -> Response {
    let limit = limits.timeout.saturating_add(BODY_GRACE);
    let format = ErrorFormat::of_path(request.uri().path());
    let response = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, response).await {
        // The router refuses a path whose parameters are not UTF-8 with a plain text.
        Ok(Ok(response)) if is_plain_refusal(&response) => {
            format.respond(ApiError::malformed("invalid path: names must be UTF-8; encode them"))
        }
        Ok(Ok(response)) => response,
        Ok(Err(_)) => format.respond(ApiError::internal()),
        Err(_) => format.respond(ApiError::too_slow(limit)),
    }
}

fn is_plain_refusal(response: &Response) -> bool {
    let kind = response.headers().get(header::CONTENT_TYPE);
    response.status() == StatusCode::BAD_REQUEST
        && kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"))
}
