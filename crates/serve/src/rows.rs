//! Rows that are pushed to a dataset.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cupola_runtime::{Bulk, json_lines, json_rows};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use crate::answer::Refusal;
use crate::request::{content_type, refused_body, request_id, tag};
use crate::state::Shared;

/// What keeps pushed rows. The rows are on disk for good when `push` returns; it may block.
pub trait Keeper: Send + Sync {
    /// Keeps all of the rows, or none.
    ///
    /// # Errors
    /// [`NotKept`].
    fn push(&self, dataset: &str, rows: &[Map<String, Value>]) -> Result<usize, NotKept>;
}

/// Why rows were not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotKept {
    /// There is no such dataset.
    Unknown(String),
    /// A row is not as it has to be.
    Row {
        /// Counts from 1.
        row: usize,
        /// Its column.
        column: Option<String>,
        /// What is wrong.
        why: String,
    },
    /// They could not be written.
    Failed(String),
}

/// Requests that are checked and written at once; more of them are refused.
const AT_ONCE: usize = 64;

/// Where rows go, if this server takes any.
pub(crate) struct Intake {
    keeper: Arc<dyn Keeper>,
    permits: Arc<Semaphore>,
}

impl Intake {
    pub fn new(keeper: Arc<dyn Keeper>) -> Self {
        Self { keeper, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    async fn take(&self, name: String, rows: Vec<Map<String, Value>>) -> Result<usize, Refusal> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            let message = format!("{AT_ONCE} requests are being written already; try again in a second");
            return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message));
        };
        let keeper = Arc::clone(&self.keeper);
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            keeper.push(&name, &rows)
        });
        match done.await {
            Ok(Ok(kept)) => Ok(kept),
            Ok(Err(not_kept)) => Err(not_kept.into()),
            Err(error) => Err(NotKept::Failed(error.to_string()).into()),
        }
    }
}

impl From<NotKept> for Refusal {
    fn from(not_kept: NotKept) -> Self {
        match not_kept {
            NotKept::Unknown(why) => Self::new(StatusCode::NOT_FOUND, "unknown_dataset", why),
            NotKept::Row { row, column, why } => {
                let mut refusal = Self::new(
                    StatusCode::UNPROCESSABLE_ENTITY,
                    "row_does_not_fit",
                    format!("row {row}: {why}; nothing of the request is kept"),
                );
                refusal.field = column.map(|column| format!("rows[{}].{column}", row - 1));
                refusal
            }
            NotKept::Failed(why) => {
                tracing::error!(%why, "pushed rows were not written");
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_written", why)
            }
        }
    }
}

/// `POST /v1/datasets/{name}/rows`
pub(crate) async fn push(
    State(app): State<Arc<Shared>>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let request_id = request_id(&headers);
    let kept = async {
        let Some(intake) = &app.intake else {
            let message = "this server takes no rows; start it with a home that has datasets";
            return Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", message));
        };
        let body = body.map_err(|rejection| refused_body(&rejection, app.settings.body_bytes))?;
        let rows = parse(&headers, &body)?;
        intake.take(name.clone(), rows).await
    };
    let response = match kept.await {
        Ok(kept) => Json(json!({ "dataset": name, "kept": kept, "request_id": request_id })).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    tag(response, &request_id)
}

/// `{"rows": [...]}`, or one object a line where the content type says so.
pub(crate) fn parse(headers: &HeaderMap, body: &[u8]) -> Result<Vec<Map<String, Value>>, Refusal> {
    let malformed = |message: String| Refusal::new(StatusCode::BAD_REQUEST, "malformed", message);
    let rows = if Bulk::of(content_type(headers)) == Some(Bulk::Lines) {
        json_lines(body).map_err(malformed)?
    } else {
        let what = "the body is not {\"rows\": [{column: value}]}";
        json_rows(body).map_err(|error| malformed(format!("{what}: {error}")))?
    };
    if rows.is_empty() {
        return Err(malformed("there is no row; send at least one".to_owned()));
    }
    Ok(rows)
}
