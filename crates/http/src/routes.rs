//! Routes of each listener.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::HeaderValue;
use axum::middleware::from_fn_with_state;
use tower_http::cors::{AllowOrigin, Any, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;

use crate::error::ApiError;
use crate::middleware::{Routes, limit_time};
use crate::state::ServerState;
use crate::{native, oip, openai, ops, page};

/// Routes of the main listener; with `administration` those of the administrative one too.
pub(crate) fn main(state: &ServerState, administration: bool, cors_origins: &[String]) -> Router {
    let mut routes = Routes::new()
        .merge(ops::health())
        .merge(ops::document())
        .merge(page::routes())
        .merge(native::routes())
        .merge(openai::routes())
        .merge(oip::models());
    if administration {
        routes = routes.merge(self::administration());
    }
    let router = finish(routes, state).merge(grpc(state));
    match cors(cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Metrics, health and administration.
pub(crate) fn admin(state: &ServerState) -> Router {
    finish(Routes::new().merge(ops::health()).merge(administration()), state)
}

/// gRPC services.
pub(crate) fn grpc(state: &ServerState) -> Router {
    oip::grpc(state)
}

fn administration() -> Routes<ServerState> {
    Routes::new().merge(ops::metrics()).merge(oip::repository())
}

/// Adds fallbacks and layers: access is checked before the body is read or decompressed.
fn finish(routes: Routes<ServerState>, state: &ServerState) -> Router {
    let limits = state.limits;
    let router = routes.guarded(std::sync::Arc::clone(&state.access), |router| {
        router
            .fallback(|| async { ApiError::not_found("unknown path; see GET /v1/models") })
            .method_not_allowed_fallback(|| async { ApiError::method_not_allowed() })
            .layer(DefaultBodyLimit::max(limits.body_bytes))
            .layer(RequestDecompressionLayer::new())
            .layer(from_fn_with_state(limits, limit_time))
    });
    router.with_state(state.clone())
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
    Some(CorsLayer::new().allow_origin(allowed).allow_headers(Any).allow_methods(Any))
}
