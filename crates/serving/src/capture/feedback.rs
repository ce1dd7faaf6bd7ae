//! Targets that become known after their prediction, stored with the id of the request.

use std::fs::{File, create_dir_all};
use std::io::Write;
use std::path::PathBuf;

use cupola_prep::{ColumnType, OutputColumn};
use serde_json::{Map, Value, json};

use crate::error::Error;

/// Longest request id.
const MAX_ID_BYTES: usize = 128;

/// Folder of feedback, with a file of JSON lines for each model.
#[derive(Debug, Clone)]
pub struct FeedbackLog {
    folder: PathBuf,
}

impl FeedbackLog {
    /// Log in a folder, which is created on the first write.
    pub fn new(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Checks rows of `{"request_id", "row"?, TARGET: value}` against the model's targets and appends them.
    ///
    /// # Errors
    /// [`Error::FeedbackRow`] for the first row that does not fit; [`Error::FeedbackFailed`].
    pub async fn push(
        &self,
        model: &str,
        targets: &[OutputColumn],
        rows: &[Map<String, Value>],
    ) -> Result<usize, Error> {
        let now = jiff::Timestamp::now().to_string();
        let mut lines = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let line = line(row, targets, &now).map_err(|FeedbackMisfit { column, why }| {
                Error::FeedbackRow { row: index + 1, column, why }
            })?;
            lines.extend_from_slice(line.to_string().as_bytes());
            lines.push(b'\n');
        }
        let (log, model) = (self.clone(), model.to_owned());
        let written = tokio::task::spawn_blocking(move || log.append(&model, &lines)).await;
        written
            .map_err(|error| Error::FeedbackFailed(error.to_string()))?
            .map_err(|error| Error::FeedbackFailed(error.to_string()))?;
        Ok(rows.len())
    }

    /// Appends lines and syncs. The lock serialises the servers of a home.
    fn append(&self, model: &str, lines: &[u8]) -> std::io::Result<()> {
        create_dir_all(&self.folder)?;
        let path = self.folder.join(format!("{model}.jsonl"));
        let mut file = File::options().create(true).append(true).open(path)?;
        file.lock()?;
        file.write_all(lines)?;
        file.sync_all()
    }
}

/// Column that does not fit, with the reason.
struct FeedbackMisfit {
    column: String,
    why: String,
}

impl FeedbackMisfit {
    fn new(column: &str, why: impl Into<String>) -> Self {
        Self { column: column.to_owned(), why: why.into() }
    }
}

/// Stored form of a row: its request, its number within the request, and its targets.
fn line(row: &Map<String, Value>, targets: &[OutputColumn], now: &str) -> Result<Value, FeedbackMisfit> {
    let request = row.get("request_id").and_then(Value::as_str);
    let request = request
        .filter(|id| !id.is_empty() && id.len() <= MAX_ID_BYTES)
        .ok_or_else(|| FeedbackMisfit::new("request_id", "expected the id that came with the prediction"))?;
    let number = match row.get("row") {
        None => 1,
        Some(number) => number.as_u64().filter(|number| *number > 0).ok_or_else(|| {
            FeedbackMisfit::new("row", "expected the number of the row within the request, from 1")
        })?,
    };
    let mut values = Map::new();
    for (column, value) in row.iter().filter(|(column, _)| !["request_id", "row"].contains(&column.as_str()))
    {
        let target = find(column, targets)?;
        if !fits(target, value) {
            let found: String = value.to_string().chars().take(40).collect();
            return Err(FeedbackMisfit::new(
                column,
                format!("{found} is not a value of this target; send the true value"),
            ));
        }
        values.insert(column.clone(), value.clone());
    }
    if values.is_empty() {
        let first = targets.first().map_or("target", |target| target.name.as_str());
        return Err(FeedbackMisfit::new(first, "the row has no target; send the true value"));
    }
    Ok(json!({ "time": now, "request": request, "row": number, "targets": values }))
}

fn find<'a>(column: &str, targets: &'a [OutputColumn]) -> Result<&'a OutputColumn, FeedbackMisfit> {
    targets.iter().find(|target| target.name == column).ok_or_else(|| {
        let hint = cupola_spec::did_you_mean(column, targets.iter().map(|target| target.name.as_str()));
        FeedbackMisfit::new(column, format!("unknown target{hint}"))
    })
}

fn fits(target: &OutputColumn, value: &Value) -> bool {
    match (target.kind, target.length) {
        (_, Some(length)) => {
            value.as_array().is_some_and(|list| list.len() == length && list.iter().all(Value::is_number))
        }
        (ColumnType::Number, _) => value.is_number(),
        (ColumnType::Category, _) => value.is_string() || value.is_number() || value.is_boolean(),
        (ColumnType::Text | ColumnType::File, _) => value.is_string(),
    }
}
