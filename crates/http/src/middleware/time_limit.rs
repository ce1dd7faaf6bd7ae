//! Time limit and panic boundary of a request.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::FutureExt as _;

use crate::error::{ApiError, ErrorFormat};
use crate::state::RequestLimits;

/// Time that a client may take for its body beyond the timeout of a request.
const BODY_GRACE: Duration = Duration::from_secs(5);

/// Ends requests of clients that send their body too slowly. A panic becomes a response: it would otherwise
/// close the connection, with all other requests on it.
pub(crate) async fn limit_time(
    State(limits): State<RequestLimits>,
    request: Request,
    next: Next,
) -> Response {
    let limit = limits.timeout + BODY_GRACE;
    let format = ErrorFormat::of_path(request.uri().path());
    let response = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limit, response).await {
        Ok(Ok(response)) => response,
        Ok(Err(_)) => format.respond(ApiError::internal()),
        Err(_) => format.respond(ApiError::too_slow(limit)),
    }
}
