//! `POST /v1/datasets/{name}/rows`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use cupola_serving::RowIntake;
use serde_json::json;

use crate::error::ApiError;
use crate::request::{UnreadBody, json_objects, request_id, with_request_id};

/// Stores rows in a dataset: all of them, or none.
pub(super) async fn push(
    State(intake): State<Option<Arc<RowIntake>>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: UnreadBody,
) -> Response {
    let id = request_id(&headers);
    let stored = async {
        let intake = intake.ok_or_else(|| {
            ApiError::not_found("this server accepts no rows; start it with a home that has datasets")
        })?;
        let rows = json_objects(&headers, &body.read().await?)?;
        Ok::<_, ApiError>(intake.push(name.clone(), rows).await?)
    };
    let response = match stored.await {
        Ok(stored) => Json(json!({ "dataset": name, "kept": stored, "request_id": id })).into_response(),
        Err(error) => error.into_response(),
    };
    with_request_id(response, &id)
}
