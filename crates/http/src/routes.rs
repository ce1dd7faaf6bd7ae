//! Routes of each listener.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, Any, CorsLayer};

use crate::error::{ApiError, ErrorFormat};
use crate::middleware::{Routes, check_coding, front, limit_time};
use crate::request::{MODEL_VERSION, REQUEST_ID, WARNINGS};
use crate::state::ServerState;
use crate::{native, oip, openai, ops};

/// Routes of the main listener; with `administration` those of the administrative one too.
pub(crate) fn main(state: &ServerState, administration: bool, cors_origins: &[String]) -> Router {
    let mut routes = client_routes();
    if administration {
        routes = routes.merge(self::administration());
    }
    front(finish(routes, state).merge(oip::grpc(state)), cors(cors_origins))
}

/// Metrics, health and administration.
pub(crate) fn admin(state: &ServerState) -> Router {
    front(finish(Routes::new().merge(ops::health()).merge(administration()), state), None)
}

/// gRPC services.
pub(crate) fn grpc(state: &ServerState) -> Router {
    front(oip::grpc(state), None)
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
    Routes::new().merge(ops::metrics()).merge(oip::repository())
}

/// Adds fallbacks and layers: access is checked before the body is read or decompressed.
fn finish(routes: Routes<ServerState>, state: &ServerState) -> Router {
    let limits = state.limits;
    let router = routes.guarded(std::sync::Arc::clone(&state.access), |router| {
        router
            .fallback(unknown_path)
            .method_not_allowed_fallback(other_method)
            .layer(DefaultBodyLimit::max(limits.body_bytes))
            .layer(from_fn(check_coding))
            .layer(from_fn_with_state(limits, limit_time))
    });
    router.with_state(state.clone())
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
    let cors = CorsLayer::new().allow_origin(allowed).allow_headers(Any).allow_methods(Any);
    // Browsers hide all other headers from pages.
    Some(cors.expose_headers([header::RETRY_AFTER, REQUEST_ID, MODEL_VERSION, WARNINGS]))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{administration, client_routes};

    /// Routes that the end-to-end tests try with every kind of key.
    const TRIED: &str = include_str!("../../../tests/fort/routes.txt");

    #[test]
    fn every_route_is_tried_with_every_kind_of_key() {
        let lines = TRIED.lines().filter(|line| !line.starts_with('#'));
        let tried: BTreeSet<&str> = lines.map(|line| line.split_whitespace().nth(1).unwrap()).collect();
        assert_eq!(client_routes().merge(administration()).paths(), tried);
    }
}
