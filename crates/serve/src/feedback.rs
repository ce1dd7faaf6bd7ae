//! What became of predictions: targets that are known later, kept beside the request that they belong to.

use std::fs::{File, create_dir_all};
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cupola_prep::{ColumnType, OutputColumn};
use serde_json::{Map, Value, json};

use crate::answer::Refusal;
use crate::predict::named;
use crate::request::{refused_body, request_id, tag};
use crate::rows::parse;
use crate::state::Shared;

type App = Arc<Shared>;
type Row = Map<String, Value>;

/// The folder of what is kept, a file of JSON lines for each model.
#[derive(Debug, Clone)]
pub(crate) struct Kept(pub PathBuf);

impl Kept {
    /// Appends lines and syncs; several servers of a home take turns.
    fn append(&self, model: &str, lines: &[u8]) -> std::io::Result<()> {
        create_dir_all(&self.0)?;
        let mut file =
            File::options().create(true).append(true).open(self.0.join(format!("{model}.jsonl")))?;
        file.lock()?;
        file.write_all(lines)?;
        file.sync_all()
    }
}

/// `POST /v1/models/{name}/feedback`: `{"rows": [{"request_id", "row"?, TARGET: value}]}`, or JSON lines.
pub(crate) async fn feedback(
    State(app): State<App>,
    Path(name): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let id = request_id(&headers);
    let response = match keep(&app, &name, &headers, body).await {
        Ok(kept) => Json(json!({ "kept": kept })).into_response(),
        Err(refusal) => refusal.into_response(),
    };
    tag(response, &id)
}

async fn keep(
    app: &App,
    text: &str,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<usize, Refusal> {
    let (name, version) = named(text)?;
    let model = app.catalog.find(name, version)?;
    let body = body.map_err(|rejection| refused_body(&rejection, app.settings.body_bytes))?;
    let rows = parse(headers, &body)?;
    let now = jiff::Timestamp::now().to_string();
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let line = line(row, &model.sealed.signature.outputs, &now).map_err(|(column, why)| {
            let message = format!("row {}, `{column}`: {why}", index + 1);
            let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "row_does_not_fit", message);
            refusal.field = Some(format!("rows[{index}].{column}"));
            refusal
        })?;
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    let failed = |why: String| {
        let message = format!("the rows are not kept: {why}; try again");
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "not_kept", message)
    };
    let (kept, model) = (app.feedback.clone(), name.to_owned());
    let done = tokio::task::spawn_blocking(move || kept.append(&model, &lines)).await;
    done.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
    Ok(rows.len())
}

/// A row as it is kept: the request, which of its rows, and its targets; or the column that is wrong.
fn line(row: &Row, outputs: &[OutputColumn], now: &str) -> Result<Value, (String, String)> {
    let wrong = |column: &str, why: &str| (column.to_owned(), why.to_owned());
    let request =
        row.get("request_id").and_then(Value::as_str).filter(|id| !id.is_empty() && id.len() <= 128);
    let request = request.ok_or_else(|| wrong("request_id", "send the id that the prediction came with"))?;
    let place = match row.get("row") {
        None => 1,
        Some(place) => place
            .as_u64()
            .filter(|place| *place > 0)
            .ok_or_else(|| wrong("row", "send the row's number within the request, which counts from 1"))?,
    };
    let mut targets = Row::new();
    for (column, value) in row.iter().filter(|(column, _)| !["request_id", "row"].contains(&column.as_str()))
    {
        let Some(output) = outputs.iter().find(|output| output.name == *column) else {
            let near = cupola_spec::nearest(column, outputs.iter().map(|output| output.name.as_str()));
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(wrong(column, &format!("the model has no such target{near}")));
        };
        let fits = match (output.kind, output.length) {
            (_, Some(length)) => {
                value.as_array().is_some_and(|list| list.len() == length && list.iter().all(Value::is_number))
            }
            (ColumnType::Number, _) => value.is_number(),
            (ColumnType::Category, _) => value.is_string() || value.is_number() || value.is_boolean(),
            (ColumnType::Text | ColumnType::File, _) => value.is_string(),
        };
        if !fits {
            let found = value.to_string();
            let found = found.chars().take(40).collect::<String>();
            return Err(wrong(column, &format!("{found} is no value of this target; send what it became")));
        }
        targets.insert(column.clone(), value.clone());
    }
    if targets.is_empty() {
        let known: Vec<&str> = outputs.iter().map(|output| output.name.as_str()).collect();
        return Err(wrong(known.first().unwrap_or(&"target"), "there is no target; send what it became"));
    }
    Ok(json!({ "time": now, "request": request, "row": place, "targets": targets }))
}
