//! Parsers of chunks of JSON lines: rows, and guesses of the columns.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

use super::columns::{ColumnBuilder, JsonColumns};
use super::value::{JsonValue, ObjectKind, visit_object};
use crate::error::Error;
use crate::file::DataFile;
use crate::read::MAX_COLUMNS;
use crate::read::batch::FileBatch;
use crate::read::chunks::{Chunk, ChunkParser};

/// Most characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 80;

/// Failure of one line.
enum LineError {
    Syntax(serde_json::Error),
    Other(Error),
}

impl From<serde_json::Error> for LineError {
    fn from(error: serde_json::Error) -> Self {
        Self::Syntax(error)
    }
}

impl LineError {
    fn at(self, file: &str, row: u64) -> Error {
        match self {
            Self::Other(error) => error,
            Self::Syntax(error) => {
                let text = error.to_string();
                let why = text.split(" at line ").next().unwrap_or_default();
                let why = format!("{why} at character {}", error.column());
                Error::Row { path: file.to_owned(), row: format!("row {row}: "), why }
            }
        }
    }
}

/// Texts of the lines of a chunk that are no blanks.
fn lines<'a>(chunk: &'a Chunk, file: &str, row: u64) -> Result<impl Iterator<Item = &'a str>, Error> {
    let text = std::str::from_utf8(&chunk.bytes).map_err(|error| {
        let before = &chunk.bytes[..error.valid_up_to()];
        let lines = before.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty());
        let row = row + (lines.count() as u64).saturating_sub(1);
        let why = "the text is not UTF-8; set `data.encoding`, such as \"windows-1252\"".to_owned();
        Error::Row { path: file.to_owned(), row: format!("row {row}: "), why }
    })?;
    Ok(text.split('\n').filter(|line| !line.trim_ascii().is_empty()))
}

fn read_failure(file: &DataFile, error: &std::io::Error) -> Error {
    file.read_error(std::io::Error::new(error.kind(), error.to_string()))
}

/// Parser that only finds columns and their types.
pub(super) struct GuessParser {
    pub file: DataFile,
}

impl ChunkParser for GuessParser {
    type Output = JsonColumns;

    fn parse(&self, chunk: &Chunk, records_before: u64) -> Result<JsonColumns, Error> {
        let mut found = JsonColumns::default();
        let lines = lines(chunk, &self.file.name, records_before + 1)?;
        for (row, line) in (records_before + 1..).zip(lines) {
            let kind = visit_object(line, &mut |name, value| {
                found.add(name, value.kind());
                if found.len() > MAX_COLUMNS {
                    return Err(LineError::Other(Error::Header {
                        file: self.file.name.clone(),
                        why: format!("more than {MAX_COLUMNS} different keys; check that keys are names"),
                    }));
                }
                Ok(())
            });
            let kind = kind.map_err(|error: LineError| error.at(&self.file.name, row))?;
            found.airbyte |= kind == ObjectKind::Airbyte;
        }
        Ok(found)
    }

    fn read_error(&self, error: &std::io::Error) -> Error {
        read_failure(&self.file, error)
    }
}

/// Parser of rows with known columns.
pub(super) struct RowParser {
    pub file: DataFile,
    pub columns: Arc<JsonColumns>,
    pub schema: SchemaRef,
}

impl RowParser {
    fn add_line(
        &self,
        line: &str,
        row: u64,
        builders: &mut [ColumnBuilder],
        done: usize,
    ) -> Result<(), Error> {
        let mut next = 0;
        let added = visit_object(line, &mut |name, value| {
            let Some(at) = self.columns.position(name, next) else {
                let is_null = value == JsonValue::Null;
                return if is_null { Ok(()) } else { Err(self.unfit(row, name, "no such key", &value)) };
            };
            next = at + 1;
            if builders[at].len() > done {
                let why = format!("the key `{name}` occurs twice");
                let row = format!("row {row}: ");
                return Err(LineError::Other(Error::Row { path: self.file.name.clone(), row, why }));
            }
            if builders[at].push(&value) {
                Ok(())
            } else {
                Err(self.unfit(row, name, self.columns.kind(at).words(), &value))
            }
        });
        added.map_err(|error: LineError| error.at(&self.file.name, row))?;
        for builder in builders {
            if builder.len() == done {
                builder.push(&JsonValue::Null);
            }
        }
        Ok(())
    }

    fn unfit(&self, row: u64, column: &str, expected: &'static str, value: &JsonValue<'_>) -> LineError {
        let value = value.text().unwrap_or_default().chars().take(SHOWN_CHARACTERS).collect();
        let (file, column) = (self.file.name.clone(), column.to_owned());
        LineError::Other(Error::Value { file, row, column, expected, value })
    }
}

impl ChunkParser for RowParser {
    type Output = FileBatch;

    fn parse(&self, chunk: &Chunk, records_before: u64) -> Result<FileBatch, Error> {
        let builder = |index| ColumnBuilder::new(self.columns.kind(index), chunk.records);
        let mut builders: Vec<ColumnBuilder> = (0..self.columns.len()).map(builder).collect();
        let mut rows = 0;
        for line in lines(chunk, &self.file.name, records_before + 1)? {
            self.add_line(line, records_before + 1 + rows as u64, &mut builders, rows)?;
            rows += 1;
        }
        let columns: Vec<ArrayRef> = builders.into_iter().map(ColumnBuilder::finish).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        batch
            .map(FileBatch::from)
            .map_err(|error| Error::Engine { path: self.file.name.clone(), why: error.to_string() })
    }

    fn read_error(&self, error: &std::io::Error) -> Error {
        read_failure(&self.file, error)
    }
}
