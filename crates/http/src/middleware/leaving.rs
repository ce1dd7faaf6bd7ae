//! End of kept connections while the server leaves its load balancer.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Version, header};
use axum::middleware::Next;
use axum::response::Response;
use cupola_serving::Lifecycle;

/// Asks clients of HTTP/1 to open another connection for their next request once the server is not ready: whoever keeps
/// connections open would otherwise not notice. HTTP/2 gets a GOAWAY frame when the server drains.
pub(crate) async fn close_when_leaving(
    State(lifecycle): State<Arc<Lifecycle>>,
    request: Request,
    next: Next,
) -> Response {
    let http1 = request.version() <= Version::HTTP_11;
    let mut response = next.run(request).await;
    if http1 && !lifecycle.is_ready() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::body::Body;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn connections_of_http_1_end_once_the_server_is_not_ready() {
        let lifecycle = Arc::new(Lifecycle::default());
        let layer = from_fn_with_state(Arc::clone(&lifecycle), close_when_leaving);
        let router = Router::new().route("/", get(|| async {})).layer(layer);
        for (leaving, version, closes) in [
            (false, Version::HTTP_11, false),
            (true, Version::HTTP_11, true),
            (true, Version::HTTP_10, true),
            (true, Version::HTTP_2, false),
        ] {
            if leaving {
                lifecycle.leave();
            }
            let request = Request::builder().version(version).body(Body::empty()).unwrap();
            let response = router.clone().oneshot(request).await.unwrap();
            assert_eq!(response.headers().contains_key("connection"), closes, "{leaving} {version:?}");
        }
    }
}
