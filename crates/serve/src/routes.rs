//! What is answered where.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use cupola_infer::Predictor;
use cupola_prep::Answer;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::answer::Refusal;
use crate::state::{Model, Shared};

type App = Arc<Shared>;

pub(crate) fn router(shared: App) -> Router {
    let limit = DefaultBodyLimit::max(shared.settings.body_bytes);
    Router::new()
        .route("/health/live", get(|| async { Json(json!({ "status": "live" })) }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .route("/v1/models", get(models))
        .route("/v1/models/{name}", get(model))
        .route("/v1/models/{name}/predict", post(predict))
        .fallback(|| async {
            Refusal::new(StatusCode::NOT_FOUND, "not_found", "no such path; see GET /v1/models")
        })
        .method_not_allowed_fallback(|| async {
            let message = "this path takes another method; predictions are POST";
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", message)
        })
        .layer(limit)
        .with_state(shared)
}

async fn ready(State(app): State<App>) -> Response {
    if app.draining.load(Ordering::Acquire) {
        return draining().into_response();
    }
    Json(json!({ "status": "ready" })).into_response()
}

fn draining() -> Refusal {
    let message = "the server is draining; send the request to another one";
    Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "draining", message)
}

async fn metrics(State(app): State<App>) -> Response {
    for model in app.models.values() {
        model.metrics.waiting.set(i64::try_from(model.batcher.waiting()).unwrap_or(i64::MAX));
    }
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], app.telemetry.text()).into_response()
}

async fn models(State(app): State<App>) -> Json<Value> {
    Json(json!({ "models": app.models.values().map(describe).collect::<Vec<_>>() }))
}

async fn model(State(app): State<App>, Path(name): Path<String>) -> Result<Json<Value>, Refusal> {
    find(&app, &name).map(|model| Json(describe(model)))
}

fn describe(model: &Model) -> Value {
    json!({
        "name": model.manifest.name,
        "version": model.manifest.version,
        "created": model.manifest.created,
        "signature": model.signature,
        "metrics": model.manifest.metrics,
        "engine": model.report,
    })
}

fn find<'a>(app: &'a App, name: &str) -> Result<&'a Model, Refusal> {
    app.models.get(name).ok_or_else(|| {
        let known: Vec<&str> = app.models.keys().map(String::as_str).collect();
        let message = format!("model `{name}` is not served here; there are: {}", known.join(", "));
        Refusal::new(StatusCode::NOT_FOUND, "unknown_model", message)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: Vec<Map<String, Value>>,
}

#[derive(Serialize)]
struct Predicted<'a> {
    model: &'a str,
    version: u64,
    request_id: &'a str,
    predictions: Vec<Answer>,
}

async fn predict(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let started = Instant::now();
    let request_id = request_id(&headers);
    let model = match find(&app, &name) {
        Ok(model) => model,
        Err(refusal) => return tag(refusal.into_response(), &request_id),
    };
    let response = match answer(&app, model, &headers, body).await {
        Ok(predictions) => {
            let version = model.manifest.version;
            Json(Predicted { model: &name, version, request_id: &request_id, predictions }).into_response()
        }
        Err(refusal) => refusal.into_response(),
    };
    app.telemetry.answered(&name, response.status().as_u16());
    model.metrics.request_seconds.observe(started.elapsed().as_secs_f64());
    tag(response, &request_id)
}

async fn answer(
    app: &App,
    model: &Model,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Vec<Answer>, Refusal> {
    if app.draining.load(Ordering::Acquire) {
        return Err(draining());
    }
    let timeout = deadline(headers, app.settings.timeout)?;
    let body = body.map_err(|rejection| refused_body(&rejection, app.settings.body_bytes))?;
    let rows = parse(&body)?;
    let examples =
        Predictor::examples(&model.plan, &model.signature, &rows).map_err(|error| misfit(&error))?;
    let Some(waiting) = model.batcher.submit(examples) else {
        let message = format!("{} requests wait already; try again in a second", app.settings.limits.queue);
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message));
    };
    match tokio::time::timeout(timeout, waiting).await {
        Ok(Ok(Ok(predictions))) => Ok(predictions),
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, "inference failed");
            let message = format!("{error}");
            Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "inference_failed", message))
        }
        Ok(Err(_)) => {
            let message = "the engine has stopped; restart the server";
            Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "engine_stopped", message))
        }
        Err(_) => {
            let message = format!("no answer within {timeout:?}; send fewer rows or allow more time");
            Err(Refusal::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message))
        }
    }
}

fn parse(body: &[u8]) -> Result<Vec<Map<String, Value>>, Refusal> {
    let malformed = |message: String| Refusal::new(StatusCode::BAD_REQUEST, "malformed", message);
    let Rows { rows } = serde_json::from_slice(body)
        .map_err(|error| malformed(format!("the body is not {{\"rows\": [{{column: value}}]}}: {error}")))?;
    if rows.is_empty() {
        return Err(malformed("`rows` is empty; send at least one row".to_owned()));
    }
    Ok(rows)
}

fn misfit(error: &cupola_infer::Error) -> Refusal {
    let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "row_does_not_fit", error.to_string());
    refusal.field = error.place().map(|(row, column)| format!("rows[{}].{column}", row - 1));
    refusal
}

fn refused_body(rejection: &BytesRejection, limit: usize) -> Refusal {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        let message = format!("the body is larger than {limit} bytes; send fewer rows at once");
        return Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", message);
    }
    Refusal::new(StatusCode::BAD_REQUEST, "malformed", "the body ended too early; send it whole")
}

/// The server's time limit, or a shorter one from `x-timeout-ms`.
fn deadline(headers: &HeaderMap, most: Duration) -> Result<Duration, Refusal> {
    let Some(value) = headers.get("x-timeout-ms") else { return Ok(most) };
    let millis = value.to_str().ok().and_then(|text| text.parse().ok()).ok_or_else(|| {
        let message = "x-timeout-ms is not a number of milliseconds";
        Refusal::new(StatusCode::BAD_REQUEST, "malformed", message)
    })?;
    Ok(most.min(Duration::from_millis(millis)))
}

/// The caller's `x-request-id` if it is a plain word, else one of our own.
fn request_id(headers: &HeaderMap) -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let given = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    let plain = |id: &&str| {
        !id.is_empty()
            && id.len() <= 128
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.:".contains(&b))
    };
    given.filter(plain).map_or_else(
        || {
            let nanos = std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |d| d.as_nanos());
            format!("{nanos:x}-{:x}", COUNT.fetch_add(1, Ordering::Relaxed))
        },
        str::to_owned,
    )
}

fn tag(mut response: Response, request_id: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}
