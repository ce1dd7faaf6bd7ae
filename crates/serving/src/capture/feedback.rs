//! Targets that become known after their prediction, stored with the id of the request.

use std::path::PathBuf;
use std::sync::Arc;

use cupola_prep::{ColumnType, OutputColumn};
use cupola_store::{append_lines, repair_lines};
use serde_json::{Map, Value, json};
use tokio::sync::Semaphore;

use super::MAX_PUSHES;
use super::outcomes::same_class;
use crate::error::Error;

/// Longest request id.
const MAX_ID_BYTES: usize = 128;
/// Most characters of a column's name that a message shows.
const SHOWN_CHARACTERS: usize = 80;
/// Classes that a message lists.
const SHOWN_CLASSES: usize = 8;
/// Longest value of a target, as JSON.
const MAX_VALUE_BYTES: usize = 1 << 20;

/// Folder of feedback, with a file of JSON lines for each model.
#[derive(Debug, Clone)]
pub struct FeedbackLog {
    folder: PathBuf,
    permits: Arc<Semaphore>,
}

impl FeedbackLog {
    /// Log in a folder, which is created on the first write. Lines that a killed server left unfinished are removed.
    pub fn new(folder: PathBuf) -> Self {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|ending| ending == "jsonl")
                && let Err(error) = repair_lines(&path)
            {
                tracing::warn!(%error, "failed to repair a log of feedback; the next write tries again");
            }
        }
        Self { folder, permits: Arc::new(Semaphore::new(MAX_PUSHES)) }
    }

    /// Checks rows of `{"request_id", "row"?, TARGET: value}` against the model's targets and appends them: all, or
    /// none. They are on disk when this returns.
    ///
    /// # Errors
    /// [`Error::FeedbackRow`] for the first row that does not fit; [`Error::PushOverloaded`],
    /// [`Error::FeedbackFailed`].
    pub async fn push(
        &self,
        model: &str,
        targets: &[OutputColumn],
        rows: Vec<Map<String, Value>>,
    ) -> Result<usize, Error> {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            return Err(Error::PushOverloaded { limit: MAX_PUSHES });
        };
        let path = self.folder.join(format!("{model}.jsonl"));
        let targets = targets.to_vec();
        let done = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let lines = lines(&rows, &targets)?;
            append_lines(&path, &lines).map_err(|error| {
                tracing::error!(%error, "failed to write feedback");
                Error::FeedbackFailed(system_reason(&error))
            })?;
            Ok(rows.len())
        });
        done.await.map_err(|error| Error::FeedbackFailed(error.to_string()))?
    }
}

/// Reason of a failed write without the path, which is no concern of a client.
fn system_reason(error: &cupola_store::Error) -> String {
    match error {
        cupola_store::Error::Io { source, .. } => source.to_string(),
        _ => "the log is damaged".to_owned(),
    }
}

/// Stored form of all rows, one a line.
fn lines(rows: &[Map<String, Value>], targets: &[OutputColumn]) -> Result<Vec<u8>, Error> {
    let now = jiff::Timestamp::now().to_string();
    let mut lines = Vec::new();
    for (index, row) in rows.iter().enumerate() {
        let line = line(row, targets, &now).map_err(|FeedbackMisfit { column, why }| Error::FeedbackRow {
            row: index + 1,
            column,
            why,
        })?;
        lines.extend_from_slice(line.to_string().as_bytes());
        lines.push(b'\n');
    }
    Ok(lines)
}

/// Column that does not fit, with the reason.
struct FeedbackMisfit {
    column: String,
    why: String,
}

impl FeedbackMisfit {
    fn new(column: &str, why: impl Into<String>) -> Self {
        Self { column: column.chars().take(SHOWN_CHARACTERS).collect(), why: why.into() }
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
        let value = &typed(target, value);
        if !fits(target, value) || value.as_str().is_some_and(|text| text.len() > MAX_VALUE_BYTES) {
            let found: String = value.to_string().chars().take(40).collect();
            return Err(FeedbackMisfit::new(
                column,
                format!("{found} is not a value of this target; send the true value"),
            ));
        }
        if let Some(why) = unknown_class(target, value) {
            return Err(FeedbackMisfit::new(column, why));
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
        let known = targets.iter().map(|target| target.name.as_str());
        // The comparison takes time that grows with the length of the name.
        let short = column.len() <= MAX_ID_BYTES;
        let hint = if short { cupola_spec::did_you_mean(column, known) } else { String::new() };
        FeedbackMisfit::new(column, format!("unknown target{hint}"))
    })
}

/// The value, or the number that a string in the place of a number spells as JSON does, such as `"79"`.
fn typed(target: &OutputColumn, value: &Value) -> Value {
    match (target.kind, target.length, value) {
        (ColumnType::Number, None, Value::String(text)) => {
            serde_json::from_str(text.trim()).map_or_else(|_| value.clone(), Value::Number)
        }
        _ => value.clone(),
    }
}

/// `true` for a number that 32 bits hold, as those of inputs and predictions.
#[allow(clippy::cast_possible_truncation, reason = "the cast gives infinity beyond the range")]
fn is_number(value: &Value) -> bool {
    value.as_f64().is_some_and(|number| (number as f32).is_finite())
}

fn fits(target: &OutputColumn, value: &Value) -> bool {
    match (target.kind, target.length) {
        (_, Some(length)) => {
            value.as_array().is_some_and(|list| list.len() == length && list.iter().all(is_number))
        }
        (ColumnType::Number, _) => is_number(value),
        (ColumnType::Category, _) => value.is_string() || value.is_number() || value.is_boolean(),
        (ColumnType::Date | ColumnType::Text | ColumnType::File, _) => value.is_string(),
    }
}

/// Reason why a value is none of the classes of a target; `None` if it is one, or the model does not list them.
fn unknown_class(target: &OutputColumn, value: &Value) -> Option<String> {
    let classes = target.categories.as_ref().filter(|classes| !classes.is_empty())?;
    if target.kind != ColumnType::Category || classes.iter().any(|class| same_class(class, value)) {
        return None;
    }
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let near = if text.len() <= MAX_ID_BYTES {
        cupola_spec::did_you_mean(&text, classes.iter().map(String::as_str))
    } else {
        String::new()
    };
    let hint = if near.is_empty() {
        let few: Vec<&str> = classes.iter().take(SHOWN_CLASSES).map(String::as_str).collect();
        let more = if classes.len() > few.len() { ", ..." } else { "" };
        format!("; expected one of {}{more}", few.join(", "))
    } else {
        near
    };
    let shown: String = text.chars().take(40).collect();
    Some(format!("`{shown}` is not a class of this target{hint}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn rows_are_kept_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.jsonl");
        std::fs::write(&path, "{\"time\": \"then\"}\n{\"time\": \"th").unwrap();
        let log = FeedbackLog::new(folder.path().to_owned());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "{\"time\": \"then\"}\n");
        let targets = [OutputColumn {
            name: "y".into(),
            kind: ColumnType::Number,
            categories: None,
            positive: None,
            length: None,
            frequency: None,
            orders: None,
        }];
        let row = |id: &str, value: Value| {
            Map::from_iter([("request_id".to_owned(), Value::from(id)), ("y".to_owned(), value)])
        };
        let push = |rows| log.push("m", &targets, rows);
        assert_eq!(push(vec![row("a", 1.into()), row("b", 2.into())]).await.unwrap(), 2);
        assert!(push(vec![row("c", 3.into()), row(&"d".repeat(129), 4.into())]).await.is_err());
        for wrong in
            [json!("text"), json!(1e300), json!("1e39"), json!(-3.5e38), json!(u64::MAX.to_string() + "e30")]
        {
            assert!(push(vec![row("e", wrong.clone())]).await.is_err(), "{wrong}");
        }
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3, "{text}");
        assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    }

    #[test]
    fn an_unknown_class_is_refused_with_the_nearest_one() {
        let target = |classes: &[&str]| OutputColumn {
            name: "income".into(),
            kind: ColumnType::Category,
            categories: Some(classes.iter().map(|&class| class.to_owned()).collect()),
            positive: None,
            length: None,
            frequency: None,
            orders: None,
        };
        let why = unknown_class(&target(&["more", "less"]), &json!("moree")).unwrap();
        assert!(why.contains("not a class") && why.contains("`more`"), "{why}");
        let why = unknown_class(&target(&["<=50K", ">50K"]), &json!("rich")).unwrap();
        assert!(why.contains("<=50K, >50K"), "{why}");
        for (class, value) in [("1", json!(1)), ("1", json!("1.0")), ("True", json!(true)), ("a", json!("a"))]
        {
            assert_eq!(unknown_class(&target(&[class]), &value), None, "{class} {value}");
        }
        assert_eq!(unknown_class(&target(&[]), &json!("any")), None);
    }
}
