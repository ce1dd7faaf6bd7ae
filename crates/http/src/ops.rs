//! Health, metrics, the `OpenAPI` document and a page for people.

mod alerts;
mod dashboard;
mod openapi;
mod page;
mod performance;
mod ready;

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use cupola_serving::access::Scope;
use cupola_serving::{Catalog, Error, Lifecycle};
use serde_json::json;

pub(crate) use self::performance::PerformanceFiles;
pub use self::ready::check_ready;
use crate::error::ApiError;
use crate::middleware::{Access, Routes};
use crate::state::ServerState;

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Liveness and readiness.
pub(crate) fn health() -> Routes<ServerState> {
    Routes::new()
        .route(Access::Public, "/health/live", get(|| async { Json(json!({ "status": "live" })) }))
        .route(Access::Public, "/health/ready", get(ready))
}

/// `OpenAPI` document.
pub(crate) fn document() -> Routes<ServerState> {
    Routes::new().route(Access::OptionalKey, "/openapi.json", get(openapi::document))
}

/// Pages where people try the served models and see how they do.
pub(crate) fn page() -> Routes<ServerState> {
    page::routes().merge(dashboard::routes())
}

/// Prometheus metrics.
pub(crate) fn metrics() -> Routes<ServerState> {
    Routes::new().route(Access::Scope(Scope::Metrics), "/metrics", get(metrics_text))
}

/// States of alerts, and silences.
pub(crate) fn alerts() -> Routes<ServerState> {
    alerts::routes()
}

async fn ready(State(lifecycle): State<Arc<Lifecycle>>) -> Response {
    if lifecycle.is_ready() {
        Json(json!({ "status": "ready" })).into_response()
    } else {
        ApiError::from(Error::Draining).into_response()
    }
}

async fn metrics_text(State(catalog): State<Arc<Catalog>>) -> Response {
    // The drift of versions with many columns takes a moment.
    match tokio::task::spawn_blocking(move || catalog.metrics_text()).await {
        Ok(text) => ([(header::CONTENT_TYPE, OPENMETRICS)], text).into_response(),
        Err(error) => ApiError::inference_failed(error.to_string()).into_response(),
    }
}
