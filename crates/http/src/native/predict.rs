//! `POST /v1/models/{name}/predict`

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::response::{IntoResponse, Response};
use cupola_prep::Predictions;
use cupola_runtime::{BulkFormat, LoadedPackage, PredictInput};
use cupola_serving::{Error, Pipeline, PredictRequest};
use serde::Serialize;

use crate::error::ApiError;
use crate::request::{
    FullBody, Headers, content_type, invalid_rows, name_and_version, no_rows, request_id, timeout,
    with_request_id,
};
use crate::state::RequestLimits;

const MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");

#[derive(Serialize)]
struct ResponseBody<'a> {
    model: &'a str,
    version: u64,
    request_id: &'a str,
    predictions: Vec<Predictions>,
}

/// Predictions for rows as JSON, JSON lines, CSV or Arrow; `{name}` may be `NAME:VERSION`.
pub(super) async fn predict(
    State(pipeline): State<Arc<Pipeline>>,
    State(limits): State<RequestLimits>,
    Path(name): Path<String>,
    headers: HeaderMap,
    FullBody(body): FullBody,
) -> Response {
    let began = Instant::now();
    let id = request_id(&headers);
    let response = async {
        let (name, version) = name_and_version(&name)?;
        let timeout = timeout(&headers, limits.timeout)?;
        let metadata = Headers(&headers);
        let request = PredictRequest { name, version, metadata: &metadata, id: &id, began, timeout };
        respond(&pipeline, &request, BulkFormat::from_content_type(content_type(&headers)), body).await
    };
    let response = response.await.unwrap_or_else(IntoResponse::into_response);
    with_request_id(response, &id)
}

async fn respond(
    pipeline: &Pipeline,
    request: &PredictRequest<'_>,
    format: Option<BulkFormat>,
    body: Result<Bytes, ApiError>,
) -> Result<Response, ApiError> {
    // An error of the body comes second to an unknown model.
    let response = pipeline.predict(request, |model| rows(model, format, &body?)).await?;
    let predictions = response.predictions()?;
    pipeline.record(request.id, &response, &predictions);
    let version = response.version.manifest.version;
    if format.is_none() {
        let body = ResponseBody { model: request.name, version, request_id: request.id, predictions };
        return Ok(Json(body).into_response());
    }
    let mut lines = Vec::new();
    for prediction in &predictions {
        serde_json::to_writer(&mut lines, prediction)
            .map_err(|error| ApiError::inference_failed(error.to_string()))?;
        lines.push(b'\n');
    }
    let headers =
        [(header::CONTENT_TYPE, "application/x-ndjson".to_owned()), (MODEL_VERSION, version.to_string())];
    Ok((headers, lines).into_response())
}

fn rows(model: &LoadedPackage, format: Option<BulkFormat>, body: &[u8]) -> Result<PredictInput, ApiError> {
    let input = match format {
        None => model.parse_rows(body).map_err(|error| match error {
            cupola_runtime::Error::Body { why } => invalid_rows(&why),
            error => Error::Row(error).into(),
        })?,
        Some(format) => {
            model.parse_bulk(format, body).map(PredictInput::Frame).map_err(|error| match error {
                cupola_runtime::Error::Body { why } => {
                    ApiError::malformed(format!("failed to read the body: {why}"))
                }
                error => Error::Row(error).into(),
            })?
        }
    };
    if input.rows(1) == 0 {
        return Err(no_rows());
    }
    Ok(input)
}
