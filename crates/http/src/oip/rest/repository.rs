//! REST handlers of the model repository and of statistics.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::{Extension, Json};
use cupola_serving::access::Caller;
use cupola_serving::{Catalog, ModelVersion};
use serde_json::{Value, json};

use super::super::repository::{self, VersionStatistics};
use super::{ModelPath, OipError};
use crate::request::UnreadBody;

/// `POST /v2/repository/index`
pub(super) async fn index(
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
    body: UnreadBody,
) -> Result<Json<Value>, OipError> {
    let body = serde_json::from_slice::<Value>(&body.read().await?).ok();
    let only_ready = body.and_then(|body| body["ready"].as_bool()) == Some(true);
    let versions = repository::index(&catalog, &caller, only_ready).into_iter();
    let entries = versions.map(|version| {
        let state = repository::state(version.loaded);
        json!({ "name": version.name, "version": version.version.to_string(), "state": state, "reason": "" })
    });
    Ok(Json(entries.collect()))
}

/// `POST /v2/repository/models/{name}/load`
pub(super) async fn load(
    State(catalog): State<Arc<Catalog>>,
    Path(path): Path<ModelPath>,
) -> Result<Json<Value>, OipError> {
    repository::load(&catalog, path.name).await?;
    Ok(Json(json!({})))
}

/// `POST /v2/repository/models/{name}/unload`
pub(super) async fn unload(
    State(catalog): State<Arc<Catalog>>,
    Path(path): Path<ModelPath>,
) -> Result<Json<Value>, OipError> {
    repository::unload(&catalog, &path.name)?;
    Ok(Json(json!({})))
}

/// `GET /v2/models/{name}/stats`
pub(super) async fn statistics(
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
    Path(path): Path<ModelPath>,
) -> Result<Json<Value>, OipError> {
    Ok(Json(json!({ "model_stats": [to_json(&*path.find(&catalog, &caller)?)] })))
}

/// `GET /v2/models/stats`
pub(super) async fn all_statistics(
    State(catalog): State<Arc<Catalog>>,
    Extension(caller): Extension<Caller>,
) -> Json<Value> {
    let versions = repository::visible_versions(&catalog, &caller);
    let all: Vec<Value> = versions.iter().map(|version| to_json(version)).collect();
    Json(json!({ "model_stats": all }))
}

fn to_json(version: &ModelVersion) -> Value {
    let statistics = VersionStatistics::new(version);
    let duration = |count: u64, ns: u64| json!({ "count": count, "ns": ns });
    json!({
        "name": version.manifest.name,
        "version": version.manifest.version.to_string(),
        "inference_count": statistics.requests,
        "execution_count": statistics.executions,
        "inference_stats": {
            "success": duration(statistics.requests, statistics.total_ns),
            "fail": duration(0, 0),
            "queue": duration(statistics.requests, statistics.queue_ns),
            "compute_input": duration(statistics.requests, statistics.preparation_ns),
            "compute_infer": duration(statistics.executions, statistics.inference_ns),
            "compute_output": duration(statistics.requests, 0),
        },
    })
}
