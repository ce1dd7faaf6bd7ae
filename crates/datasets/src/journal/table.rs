//! Entries of the journal as a table.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, Float64Builder, ListBuilder, StringArray, StringBuilder,
    TimestampMillisecondArray, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema};
use arrow::record_batch::RecordBatch;
use cupola_sources::{Error as SourceError, TableWriter};
use jiff::Timestamp;

use crate::error::Error;

/// Rows of a request with their predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalEntry {
    /// Time in milliseconds since 1970.
    pub time: i64,
    /// Request id.
    pub request: String,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub version: u64,
    /// Milliseconds that the predictions took.
    pub latency_ms: f64,
    /// Number of rows.
    pub rows: usize,
    /// Columns, each with a value for every row.
    pub columns: Vec<JournalColumn>,
}

/// Column of an entry.
#[derive(Debug, Clone, PartialEq)]
pub struct JournalColumn {
    /// Name of the column.
    pub name: String,
    /// Values.
    pub values: JournalValues,
}

/// Values of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum JournalValues {
    /// Numbers.
    Numbers(Vec<Option<f64>>),
    /// Texts.
    Texts(Vec<Option<String>>),
    /// Lists of numbers.
    Lists(Vec<Option<Vec<f64>>>),
}

impl JournalValues {
    fn bytes(&self) -> usize {
        match self {
            Self::Numbers(values) => values.len() * size_of::<f64>(),
            Self::Texts(values) => {
                values.iter().map(|value| value.as_ref().map_or(8, |text| text.len() + 8)).sum()
            }
            Self::Lists(values) => {
                values.iter().map(|value| value.as_ref().map_or(8, |list| list.len() * 8 + 8)).sum()
            }
        }
    }
}

impl JournalEntry {
    /// Bytes of its values.
    pub(super) fn bytes(&self) -> usize {
        let values: usize = self.columns.iter().map(|column| column.values.bytes()).sum();
        values + self.request.len() + size_of::<Self>()
    }

    /// `true` if both entries have columns of the same names and types.
    pub(super) fn has_columns_of(&self, other: &Self) -> bool {
        let same = |(own, other): (&JournalColumn, &JournalColumn)| {
            own.name == other.name
                && std::mem::discriminant(&own.values) == std::mem::discriminant(&other.values)
        };
        self.columns.len() == other.columns.len() && self.columns.iter().zip(&other.columns).all(same)
    }
}

/// Writes entries with the same columns as a file in `MODEL/VERSION/DAY`.
pub(super) fn write(folder: &Path, number: u64, entries: &[JournalEntry]) -> Result<(), Error> {
    let Some(first) = entries.first() else { return Ok(()) };
    let now = Timestamp::now();
    let name = format!("{}-{}-{number}.parquet", now.as_millisecond(), std::process::id());
    let model = if cupola_store::is_plain_file_name(&first.model) { &first.model } else { "model" };
    let day = now.strftime("%Y-%m-%d").to_string();
    let path = folder.join(model).join(first.version.to_string()).join(day).join(name);
    let batch = batch(entries)
        .map_err(|error| SourceError::Engine { path: path.display().to_string(), why: error.to_string() })?;
    let mut writer = TableWriter::new(&path, &batch.schema())?;
    writer.push(&batch)?;
    Ok(writer.finish()?)
}

/// Table of entries with the same columns. The log's own columns come first.
fn batch(entries: &[JournalEntry]) -> Result<RecordBatch, arrow::error::ArrowError> {
    let rows = || entries.iter().flat_map(|entry| (0..entry.rows).map(move |row| (entry, row)));
    let times: TimestampMillisecondArray = rows().map(|(entry, _)| Some(entry.time)).collect();
    let own: [(&str, ArrayRef); 6] = [
        ("cupola_time", Arc::new(times.with_timezone("UTC"))),
        ("cupola_request", Arc::new(rows().map(|(entry, _)| Some(&entry.request)).collect::<StringArray>())),
        ("cupola_row", Arc::new(rows().map(|(_, row)| Some(row as u64 + 1)).collect::<UInt64Array>())),
        ("cupola_model", Arc::new(rows().map(|(entry, _)| Some(&entry.model)).collect::<StringArray>())),
        ("cupola_version", Arc::new(rows().map(|(entry, _)| Some(entry.version)).collect::<UInt64Array>())),
        (
            "cupola_latency_ms",
            Arc::new(rows().map(|(entry, _)| Some(entry.latency_ms)).collect::<Float64Array>()),
        ),
    ];
    let mut fields = Vec::new();
    let mut arrays = Vec::new();
    for (name, array) in own {
        fields.push(Field::new(name, array.data_type().clone(), false));
        arrays.push(array);
    }
    for (index, column) in entries.first().iter().flat_map(|entry| entry.columns.iter().enumerate()) {
        let array = array(entries, index);
        let data_type: DataType = array.data_type().clone();
        fields.push(Field::new(&column.name, data_type, true));
        arrays.push(array);
    }
    RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
}

/// Values of a column of all entries, which have the same type.
fn array(entries: &[JournalEntry], index: usize) -> ArrayRef {
    let parts = || entries.iter().filter_map(|entry| entry.columns.get(index)).map(|column| &column.values);
    match parts().next() {
        Some(JournalValues::Texts(_)) => {
            let mut builder = StringBuilder::new();
            for part in parts() {
                if let JournalValues::Texts(values) = part {
                    for value in values {
                        builder.append_option(value.as_deref());
                    }
                }
            }
            Arc::new(builder.finish())
        }
        Some(JournalValues::Lists(_)) => {
            let mut builder = ListBuilder::new(Float64Builder::new());
            for part in parts() {
                if let JournalValues::Lists(values) = part {
                    for value in values {
                        builder.values().append_slice(value.as_deref().unwrap_or_default());
                        builder.append(value.is_some());
                    }
                }
            }
            Arc::new(builder.finish())
        }
        _ => {
            let mut builder = Float64Builder::new();
            for part in parts() {
                if let JournalValues::Numbers(values) = part {
                    for value in values {
                        builder.append_option(*value);
                    }
                }
            }
            Arc::new(builder.finish())
        }
    }
}
