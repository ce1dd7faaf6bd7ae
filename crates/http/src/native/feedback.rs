//! `POST /v1/models/{name}/feedback`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use cupola_serving::{Catalog, FeedbackLog, Telemetry};
use serde_json::json;

use crate::error::ApiError;
use crate::native::rows::stored_rows;
use crate::request::{UnreadBody, name_and_version, request_id, with_request_id};

/// Stores targets that became known: `{"rows": [{"request_id", "row"?, TARGET: value}]}`, or JSON lines.
pub(super) async fn push(
    State(catalog): State<Arc<Catalog>>,
    State(feedback): State<Arc<FeedbackLog>>,
    State(telemetry): State<Arc<Telemetry>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Response {
    let id = request_id(&headers);
    let stored = async {
        let (name, version) = name_and_version(&name)?;
        let version = catalog.find(name, version)?;
        let rows = stored_rows(&headers, body).await?;
        let stored = feedback.push(name, &version.model.signature.outputs, rows).await?;
        telemetry.count_feedback(name, stored);
        Ok::<_, ApiError>(stored)
    };
    let response = match stored.await {
        Ok(stored) => Json(json!({ "kept": stored })).into_response(),
        Err(error) => error.into_response(),
    };
    with_request_id(response, &id)
}
