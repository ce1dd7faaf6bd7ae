//! Routes of each listener.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowHeaders, AllowOrigin, Any, CorsLayer};

use crate::error::{ApiError, ErrorFormat};
use crate::middleware::{BrowserRules, Routes, check_coding, close_when_leaving, front, limit_time};
use crate::oip::CallSet;
use crate::request::{MODEL_VERSION, REQUEST_ID, WARNINGS};
use crate::state::ServerState;
use crate::{native, oip, openai, ops};

/// Rules of a server for web pages.
#[derive(Clone, Copy)]
pub(crate) struct PageRules<'a> {
    /// Origins of pages that may send requests; `*` allows all of them.
    pub origins: &'a [String],
    /// Names of the server that clients without keys may use.
    pub hosts: &'a [String],
    /// Address of the listener; `None` for requests of this process, which are not checked.
    pub address: Option<IpAddr>,
}

impl PageRules<'_> {
    /// Rules of the same server for a listener.
    pub fn at(self, address: SocketAddr) -> Self {
        Self { address: Some(address.ip()), ..self }
    }

    fn browsers(&self, state: &ServerState, origins: &[String]) -> Option<BrowserRules> {
        let address = self.address?;
        Some(BrowserRules::new(Arc::clone(&state.access), address, self.hosts, origins))
    }
}

/// Routes of the main listener; with `administration` those of the administrative one too.
pub(crate) fn main(state: &ServerState, administration: bool, pages: PageRules<'_>) -> Router {
    let mut routes = client_routes();
    if administration {
        routes = routes.merge(self::administration());
    }
    let router = finish(routes, state).merge(oip::grpc(state, inference_calls(administration)));
    front(router, cors(pages.origins), pages.browsers(state, pages.origins))
}

/// Metrics, health and administration, over HTTP and gRPC.
pub(crate) fn admin(state: &ServerState, pages: PageRules<'_>) -> Router {
    let router = finish(Routes::new().merge(ops::health()).merge(administration()), state);
    front(router.merge(oip::grpc(state, CallSet::Administration)), None, pages.browsers(state, &[]))
}

/// gRPC services; with `administration` those of the administrative listener too.
pub(crate) fn grpc(state: &ServerState, administration: bool, pages: PageRules<'_>) -> Router {
    let router = oip::grpc(state, inference_calls(administration));
    front(router, None, pages.browsers(state, &[]))
}

fn inference_calls(administration: bool) -> CallSet {
    if administration { CallSet::All } else { CallSet::Inference }
}

/// Health, page and all protocols.
fn client_routes() -> Routes<ServerState> {
    Routes::new()
        .merge(ops::health())
        .merge(ops::document())
        .merge(ops::page())
        .merge(native::routes())
        .merge(openai::routes())
        .merge(oip::models())
}

fn administration() -> Routes<ServerState> {
    Routes::new().merge(ops::metrics()).merge(ops::alerts()).merge(oip::repository())
}

/// Adds fallbacks and layers: access is checked before the body is read or decompressed.
fn finish(routes: Routes<ServerState>, state: &ServerState) -> Router {
    let limits = state.limits;
    let router = routes.guarded(Arc::clone(&state.access), |router| {
        router
            .fallback(unknown_path)
            .method_not_allowed_fallback(other_method)
            .layer(DefaultBodyLimit::max(limits.body_bytes))
            .layer(from_fn(check_coding))
            .layer(from_fn_with_state(limits, limit_time))
    });
    let leaving = from_fn_with_state(Arc::clone(&state.lifecycle), close_when_leaving);
    router.layer(leaving).with_state(state.clone())
}

async fn unknown_path(uri: Uri) -> Response {
    ErrorFormat::of_path(uri.path()).respond(ApiError::not_found("unknown path; see GET /v1/models"))
}

/// Response to a method that a path has no handler for. The router adds the header `Allow`.
async fn other_method(method: Method, uri: Uri) -> Response {
    if method == Method::OPTIONS {
        return StatusCode::NO_CONTENT.into_response();
    }
    ErrorFormat::of_path(uri.path()).respond(ApiError::method_not_allowed(&method))
}

/// Web pages that may send requests from the browser; `*` allows all of them.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    // Browsers do not count `*` for `Authorization`, so the headers that they ask for are listed.
    let headers = AllowHeaders::mirror_request();
    let cors = CorsLayer::new().allow_origin(allowed).allow_headers(headers).allow_methods(Any);
    // Browsers hide all other headers from pages.
    Some(cors.expose_headers([header::RETRY_AFTER, REQUEST_ID, MODEL_VERSION, WARNINGS]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use axum::body::Body;
    use axum::routing::get;
    use tower::ServiceExt as _;

    use super::*;

    /// Routes that the end-to-end tests try with every kind of key.
    const TRIED: &str = include_str!("../../../tests/fort/routes.txt");

    #[test]
    fn every_route_is_tried_with_every_kind_of_key() {
        let lines = TRIED.lines().filter(|line| !line.starts_with('#'));
        let tried: BTreeSet<&str> = lines.map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(client_routes().merge(administration()).paths(), tried);
    }

    #[tokio::test]
    async fn a_preflight_request_gets_the_headers_that_it_asks_for() {
        let router = Router::new().route("/", get(|| async {}));
        let router = front(router, cors(&["*".to_owned()]), None);
        let request = axum::extract::Request::builder()
            .method(Method::OPTIONS)
            .uri("/")
            .header("origin", "https://shop.example")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "authorization,content-type");
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
        assert_eq!(response.headers()["access-control-allow-headers"], "authorization,content-type");
    }
}
