//! What is answered where.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router, middleware};
use serde_json::json;
use tower_http::cors::{AllowOrigin, CorsLayer};
use tower_http::decompression::RequestDecompressionLayer;

use crate::answer::Refusal;
use crate::ask::draining;
use crate::guard::guard;
use crate::request::in_time;
use crate::state::Shared;
use crate::{feedback, oip, openai, openapi, page, predict, rows};

type App = Arc<Shared>;

/// Everything, but for administration where that has a door of its own.
pub(crate) fn main(shared: &App) -> Router {
    let mut router = Router::new()
        .merge(health())
        .route("/", get(page::page))
        .route("/openapi.json", get(openapi::document))
        .route("/v1/models", get(predict::models))
        .route("/v1/models/{name}", get(predict::model))
        .route("/v1/models/{name}/predict", post(predict::predict))
        .route("/v1/models/{name}/feedback", post(feedback::feedback))
        .route("/v1/datasets/{name}/rows", post(rows::push))
        .route("/v1/embeddings", post(openai::embeddings))
        .route("/v1/completions", post(openai::completions))
        .route("/v1/chat/completions", post(openai::chat))
        .merge(oip::rest::models());
    if !shared.apart {
        router = router.merge(administration());
    }
    let router = finished(router, shared).merge(grpc(shared));
    match cors(&shared.settings.cors) {
        Some(cors) => router.layer(cors),
        None => router,
    }
}

/// Metrics, health and administration.
pub(crate) fn admin(shared: &App) -> Router {
    finished(Router::new().merge(health()).merge(administration()), shared)
}

/// The services of gRPC, which look after keys themselves.
pub(crate) fn grpc(shared: &App) -> Router {
    Router::new()
        .route_service("/inference.GRPCInferenceService/{call}", oip::grpc::service(Arc::clone(shared)))
        .route_service("/grpc.health.v1.Health/{call}", oip::health::service(Arc::clone(shared)))
}

fn health() -> Router<App> {
    Router::new()
        .route("/health/live", get(|| async { Json(json!({ "status": "live" })) }))
        .route("/health/ready", get(ready))
}

fn administration() -> Router<App> {
    Router::new().route("/metrics", get(metrics)).merge(oip::rest::repository())
}

/// Keys are looked at first, then the body is unpacked.
fn finished(router: Router<App>, shared: &App) -> Router {
    router
        .fallback(|| async {
            Refusal::new(StatusCode::NOT_FOUND, "not_found", "no such path; see GET /v1/models")
        })
        .method_not_allowed_fallback(|| async {
            let message = "this path takes another method; predictions are POST";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .layer(DefaultBodyLimit::max(shared.settings.body_bytes))
        .layer(RequestDecompressionLayer::new())
        .layer(middleware::from_fn_with_state(Arc::clone(shared), in_time))
        .layer(middleware::from_fn_with_state(Arc::clone(shared), guard))
        .with_state(Arc::clone(shared))
}

/// Which web pages may ask.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let allowed = if origins.iter().any(|origin| origin == "*") {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()))
    };
    let any = tower_http::cors::Any;
    Some(CorsLayer::new().allow_origin(allowed).allow_headers(any).allow_methods(any))
}

async fn ready(State(app): State<App>) -> Response {
    if app.is_ready() {
        Json(json!({ "status": "ready" })).into_response()
    } else {
        draining().into_response()
    }
}

async fn metrics(State(app): State<App>) -> Response {
    for model in app.catalog.models() {
        model.metrics.waiting.set(i64::try_from(model.batcher.waiting()).unwrap_or(i64::MAX));
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.telemetry.text()).into_response()
}
