//! Triton's repository and statistics: which models there are, loading, unloading, counting.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use cupola_spec::ServedModel;
use serde_json::{Value, json};

use super::rest::{At, Wrong};
use crate::answer::Refusal;
use crate::catalog::Model;
use crate::state::Shared;

type App = Arc<Shared>;

/// `POST /v2/repository/index`
pub(super) async fn index(State(app): State<App>, body: Bytes) -> Json<Value> {
    let only_ready = serde_json::from_slice::<Value>(&body).ok().and_then(|v| v["ready"].as_bool());
    let each = app.catalog.all().into_iter().filter(|(.., ready)| *ready || only_ready != Some(true));
    let each = each.map(|(name, version, ready)| {
        let state = if ready { "READY" } else { "UNAVAILABLE" };
        json!({ "name": name, "version": version.to_string(), "state": state, "reason": "" })
    });
    Json(each.collect())
}

/// `POST /v2/repository/models/{name}/load`: what its reference leads to now; its newest version where it
/// was not served before.
pub(super) async fn load(State(app): State<App>, Path(at): Path<At>) -> Result<Json<Value>, Wrong> {
    load_now(&app, at.name).await?;
    Ok(Json(json!({})))
}

pub(super) async fn load_now(app: &App, name: String) -> Result<(), Refusal> {
    let spec = app.catalog.spec(&name);
    let spec = spec.unwrap_or(ServedModel { serve: name.clone(), canary: None, shadow: None });
    let catalog = Arc::clone(&app.catalog);
    // A name with a path in it would load a package of the client's choosing.
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let wrong = |why: String| {
        Refusal::new(StatusCode::BAD_REQUEST, "not_loaded", format!("failed to load '{name}': {why}"))
    };
    if !plain {
        return Err(wrong("that is no name of a model".to_owned()));
    }
    let done = tokio::task::spawn_blocking(move || catalog.load(&spec)).await;
    done.map_err(|error| wrong(error.to_string()))?.map_err(|error| wrong(error.to_string()))?;
    Ok(())
}

/// `POST /v2/repository/models/{name}/unload`
pub(super) async fn unload(State(app): State<App>, Path(at): Path<At>) -> Result<Json<Value>, Wrong> {
    unload_now(&app, &at.name)?;
    Ok(Json(json!({})))
}

pub(super) fn unload_now(app: &App, name: &str) -> Result<(), Refusal> {
    if app.catalog.unload(name) {
        return Ok(());
    }
    let message = format!("failed to unload '{name}': it is not served");
    Err(Refusal::new(StatusCode::BAD_REQUEST, "not_loaded", message))
}

/// Counts and times of a version, in the protocol's nanoseconds.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Stats {
    pub requests: u64,
    pub executions: u64,
    pub total_ns: u64,
    pub prepare_ns: u64,
    pub queue_ns: u64,
    pub infer_ns: u64,
}

impl Stats {
    pub fn of(model: &Model) -> Self {
        let sums = model.metrics.sums();
        Self {
            requests: sums.requests,
            executions: sums.executions,
            total_ns: nanos(sums.total),
            prepare_ns: nanos(sums.preparation),
            queue_ns: nanos(sums.queue),
            infer_ns: nanos(sums.inference),
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "times since the start")]
fn nanos(seconds: f64) -> u64 {
    (seconds.max(0.0) * 1e9) as u64
}

fn told(model: &Model) -> Value {
    let stats = Stats::of(model);
    let each = |count: u64, ns: u64| json!({ "count": count, "ns": ns });
    json!({
        "name": model.manifest.name,
        "version": model.manifest.version.to_string(),
        "inference_count": stats.requests,
        "execution_count": stats.executions,
        "inference_stats": {
            "success": each(stats.requests, stats.total_ns),
            "fail": each(0, 0),
            "queue": each(stats.requests, stats.queue_ns),
            "compute_input": each(stats.requests, stats.prepare_ns),
            "compute_infer": each(stats.executions, stats.infer_ns),
            "compute_output": each(stats.requests, 0),
        },
    })
}

/// `GET /v2/models/{name}/stats`
pub(super) async fn stats(State(app): State<App>, Path(at): Path<At>) -> Result<Json<Value>, Wrong> {
    Ok(Json(json!({ "model_stats": [told(&*at.find(&app)?)] })))
}

/// `GET /v2/models/stats`
pub(super) async fn all_stats(State(app): State<App>) -> Json<Value> {
    let each: Vec<Value> = app.catalog.models().iter().map(|model| told(model)).collect();
    Json(json!({ "model_stats": each }))
}
