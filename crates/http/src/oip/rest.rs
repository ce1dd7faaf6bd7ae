//! REST side of the protocol, `/v2`. Errors are `{"error": "text"}`.

mod infer;
mod repository;

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json};
use cupola_runtime::TensorSpec;
use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Catalog, Error, Lifecycle, ModelVersion};
use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::DataType;
use super::{EXTENSIONS, NAME, data_type, parse_version, shape};
use crate::error::ApiError;
use crate::middleware::{Access, Routes};
use crate::state::ServerState;

/// Health, metadata, statistics and inference.
pub(super) fn models() -> Routes<ServerState> {
    Routes::new()
        .route(Access::AnyKey, "/v2", get(server))
        .route(Access::Public, "/v2/health/live", get(|| async { Json(json!({ "live": true })) }))
        .route(Access::Public, "/v2/health/ready", get(ready))
        .route(Access::AnyKey, "/v2/models/{name}", get(metadata))
        .route(Access::AnyKey, "/v2/models/{name}/versions/{version}", get(metadata))
        .route(Access::AnyKey, "/v2/models/{name}/ready", get(model_ready))
        .route(Access::AnyKey, "/v2/models/{name}/versions/{version}/ready", get(model_ready))
        .route(Access::AnyKey, "/v2/models/{name}/config", get(config))
        .route(Access::AnyKey, "/v2/models/{name}/versions/{version}/config", get(config))
        .route(Access::AnyKey, "/v2/models/{name}/stats", get(repository::statistics))
        .route(Access::AnyKey, "/v2/models/{name}/versions/{version}/stats", get(repository::statistics))
        .route(Access::AnyKey, "/v2/models/stats", get(repository::all_statistics))
        .route(Access::Model, "/v2/models/{name}/infer", post(infer::infer))
        .route(Access::Model, "/v2/models/{name}/versions/{version}/infer", post(infer::infer))
}

/// Triton's model repository.
pub(super) fn repository() -> Routes<ServerState> {
    let admin = Access::Scope(Scope::Admin);
    Routes::new()
        .route(Access::AnyKey, "/v2/repository/index", post(repository::index))
        .route(admin, "/v2/repository/models/{name}/load", post(repository::load))
        .route(admin, "/v2/repository/models/{name}/unload", post(repository::unload))
}

/// [`ApiError`] in the protocol's form.
struct OipError(ApiError);

impl From<ApiError> for OipError {
    fn from(error: ApiError) -> Self {
        Self(error)
    }
}

impl From<Error> for OipError {
    fn from(error: Error) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for OipError {
    fn into_response(self) -> Response {
        self.0.into_text_response()
    }
}

/// Parameters of a path.
#[derive(Deserialize)]
struct ModelPath {
    name: String,
    #[serde(default)]
    version: String,
}

impl ModelPath {
    /// Version that the path names, if the caller may know of it.
    fn find(&self, catalog: &Catalog, caller: &Caller) -> Result<Arc<ModelVersion>, ApiError> {
        caller.require_sight(&self.name)?;
        Ok(catalog.find(&self.name, parse_version(&self.version)?)?)
    }
}

async fn server() -> Json<Value> {
    Json(json!({ "name": NAME, "version": env!("CARGO_PKG_VERSION"), "extensions": EXTENSIONS }))
}

async fn ready(State(lifecycle): State<Arc<Lifecycle>>) -> StatusCode {
    if lifecycle.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }
}

async fn model_ready(
    State(lifecycle): State<Arc<Lifecycle>>,
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ModelPath>,
) -> StatusCode {
    let ready = lifecycle.is_ready() && path.find(&catalog, &caller).is_ok();
    if ready { StatusCode::OK } else { StatusCode::BAD_REQUEST }
}

async fn metadata(
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ModelPath>,
) -> Result<Json<Value>, OipError> {
    let version = path.find(&catalog, &caller)?;
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        let each = specs.iter().map(
            |spec| json!({ "name": spec.name, "datatype": data_type(spec).name(), "shape": shape(spec) }),
        );
        each.collect()
    };
    Ok(Json(json!({
        "name": path.name,
        "versions": [version.manifest.version.to_string()],
        "platform": NAME,
        "inputs": tensors(&version.model.inputs),
        "outputs": tensors(&version.model.all_outputs()),
    })))
}

async fn config(
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ModelPath>,
) -> Result<Json<Value>, OipError> {
    let version = path.find(&catalog, &caller)?;
    let tensors = |specs: &[TensorSpec]| -> Vec<Value> {
        let each = specs.iter().map(|spec| {
            let kind = match data_type(spec) {
                DataType::Bytes => "STRING",
                other => other.name(),
            };
            json!({ "name": spec.name, "data_type": format!("TYPE_{kind}"), "dims": spec.shape })
        });
        each.collect()
    };
    Ok(Json(json!({
        "name": path.name,
        "platform": NAME,
        "backend": NAME,
        "max_batch_size": version.scheduler.limits().batch_rows,
        "input": tensors(&version.model.inputs),
        "output": tensors(&version.model.all_outputs()),
    })))
}
