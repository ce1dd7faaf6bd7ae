//! `/v1/models`: raw rows in, typed answers out.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use cupola_prep::Answer;
use cupola_runtime::{Bulk, BulkError, Input, Malformed, Sealed};
use serde::Serialize;
use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::ask::{Asked, ask, misfit};
use crate::guard::forbidden;
use crate::keys::Caller;
use crate::request::{content_type, deadline, refused_body, request_id, tag};
use crate::state::Shared;

type App = Arc<Shared>;

/// `GET /v1/models`: those that the caller may ask. `OpenAI`'s clients read `data` of the same answer.
pub(crate) async fn models(State(app): State<App>, Extension(caller): Extension<Caller>) -> Json<Value> {
    let names = app.catalog.names().into_iter().filter(|name| caller.may("predict", name));
    let each: Vec<Value> = names.filter_map(|name| app.catalog.describe(&name).ok()).collect();
    let data = each.iter().map(|model| {
        let created = model["created"].as_str().and_then(seconds).unwrap_or_default();
        json!({ "id": model["name"], "object": "model", "created": created, "owned_by": "cupola" })
    });
    let data: Vec<Value> = data.collect();
    Json(json!({ "object": "list", "data": data, "models": each }))
}

/// Seconds since 1970 of `2026-01-01T00:00:00.000Z`.
fn seconds(text: &str) -> Option<i64> {
    text.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second)
}

/// `GET /v1/models/{name}`
pub(crate) async fn model(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Refusal> {
    if !caller.may("predict", &name) {
        return Err(forbidden(&caller, "predict", &name));
    }
    let mut described = app.catalog.describe(&name)?;
    // What OpenAI's clients read of a model.
    described["id"] = name.into();
    described["object"] = "model".into();
    Ok(Json(described))
}

#[derive(Serialize)]
struct Predicted<'a> {
    model: &'a str,
    version: u64,
    request_id: &'a str,
    predictions: Vec<Answer>,
}

/// `POST /v1/models/{name}/predict`; `{name}` may be `NAME:VERSION`.
pub(crate) async fn predict(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let began = Instant::now();
    let id = request_id(&headers);
    let response = match answer(&app, &name, &headers, &id, began, body).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    };
    tag(response, &id)
}

async fn answer(
    app: &App,
    text: &str,
    headers: &HeaderMap,
    id: &str,
    began: Instant,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, Refusal> {
    let (name, version) = named(text)?;
    let timeout = deadline(headers, app.settings.timeout)?;
    let body = body.map_err(|rejection| refused_body(&rejection, app.settings.body_bytes));
    let bulk = Bulk::of(content_type(headers));
    let asked = Asked { name, version, headers, id, began, timeout };
    // The body comes second: whoever asks for a model that is not there hears that first.
    let answered = ask(app, &asked, |sealed| rows(sealed, bulk, &body?)).await?;
    let predictions = answered.answers()?;
    if let Some(recorded) = &app.recorded {
        recorded.record(&asked, &answered, &predictions);
    }
    let version = answered.model.manifest.version;
    if bulk.is_none() {
        return Ok(Json(Predicted { model: name, version, request_id: id, predictions }).into_response());
    }
    let mut lines = Vec::new();
    for prediction in &predictions {
        let written = serde_json::to_writer(&mut lines, prediction);
        written.map_err(|error| {
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "inference_failed", error.to_string())
        })?;
        lines.push(b'\n');
    }
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson".to_owned()),
        (header::HeaderName::from_static("x-model-version"), version.to_string()),
    ];
    Ok((headers, lines).into_response())
}

/// `NAME` or `NAME:VERSION`.
pub(crate) fn named(text: &str) -> Result<(&str, Option<u64>), Refusal> {
    let Some((name, version)) = text.split_once(':') else { return Ok((text, None)) };
    let version = version.parse().map_err(|_| {
        let message = format!("`{version}` is no version; write NAME or NAME:1");
        Refusal::new(StatusCode::NOT_FOUND, "unknown_version", message)
    })?;
    Ok((name, Some(version)))
}

fn rows(sealed: &Sealed, bulk: Option<Bulk>, body: &[u8]) -> Result<Input, Refusal> {
    let malformed = |message: String| Refusal::new(StatusCode::BAD_REQUEST, "malformed", message);
    let input = match bulk {
        None => sealed.parsed(body).map_err(|error| match error {
            Malformed::Json(error) => {
                malformed(format!("the body is not {{\"rows\": [{{column: value}}]}}: {error}"))
            }
            Malformed::Value(error) => misfit(&error),
        })?,
        Some(kind) => sealed.bulk(kind, body).map(Input::Frame).map_err(|error| match error {
            BulkError::Malformed(why) => malformed(format!("the body cannot be read: {why}")),
            BulkError::Value(error) => misfit(&error),
        })?,
    };
    if input.rows(1) == 0 {
        return Err(malformed("there is no row; send at least one row".to_owned()));
    }
    Ok(input)
}
