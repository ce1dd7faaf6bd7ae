//! `POST /v1/datasets/{name}/rows`

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use cupola_serving::{QUICK_BODY_BYTES, RowIntake, WorkSize};
use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::request::{UnreadBody, json_objects, request_id, with_request_id};

/// Largest number of rows that one request may store.
const MAX_ROWS: usize = 100_000;
/// Largest number of opening braces in a body: rows, and objects and texts within them.
const MAX_OBJECTS: usize = 10 * MAX_ROWS;

/// Reads the rows of a request that stores them. They are parsed off the runtime's threads.
pub(super) async fn stored_rows(
    headers: &HeaderMap,
    body: UnreadBody,
) -> Result<Vec<Map<String, Value>>, ApiError> {
    let (budget, processors) = (body.budget(), body.processors());
    let body = body.read().await?;
    let parse = || {
        // Each row is an object, so no parsed row is needed to see that there are too many of them.
        let objects = body.split(|byte| *byte == b'{').count() - 1;
        if objects > MAX_OBJECTS {
            return Err(ApiError::too_many_rows(MAX_ROWS));
        }
        let rows = json_objects(headers, &body)?;
        if rows.len() > MAX_ROWS { Err(ApiError::too_many_rows(MAX_ROWS)) } else { Ok(rows) }
    };
    processors.run(WorkSize::of_bytes(body.len(), QUICK_BODY_BYTES), &budget, parse).await?
}

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
        let rows = stored_rows(&headers, body).await?;
        Ok::<_, ApiError>(intake.push(name.clone(), rows).await?)
    };
    let response = match stored.await {
        Ok(stored) => Json(json!({ "dataset": name, "kept": stored, "request_id": id })).into_response(),
        Err(error) => error.into_response(),
    };
    with_request_id(response, &id)
}
