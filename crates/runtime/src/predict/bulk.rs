//! Bodies of many rows: JSON lines, CSV with a header, Arrow's IPC stream.

mod arrow_stream;

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;
use cupola_budget::Budget;
use cupola_prep::{Frame, Signature};
use cupola_spec::did_you_mean;

pub(super) use self::arrow_stream::arrow_stream;
use super::cost::json_bytes;
use super::package::LoadedPackage;
use super::rows::{frame_of, json_lines};
use crate::error::Error;

/// Bytes of a column that a CSV header claims, while its types are looked for.
const HEADER_CELL: usize = 512;
/// Bytes of a CSV value before and after its conversion.
const CELL: usize = 24;
/// Bytes that the reader of CSV needs for each byte of a batch.
const CSV_BYTES: usize = 8;

/// Format of a body of many rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkFormat {
    /// One JSON object on each line.
    Lines,
    /// Comma-separated values with a header.
    Csv,
    /// Arrow's IPC stream format.
    Arrow,
}

impl BulkFormat {
    /// Format of a content type; `None` for any other content type.
    pub fn from_content_type(content_type: &str) -> Option<Self> {
        let kind = content_type.split(';').next().unwrap_or_default().trim();
        match kind {
            "application/x-ndjson"
            | "application/ndjson"
            | "application/jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines" => Some(Self::Lines),
            "text/csv" => Some(Self::Csv),
            "application/vnd.apache.arrow.stream" => Some(Self::Arrow),
            _ => None,
        }
    }
}

impl LoadedPackage {
    /// Rows of a body as columns.
    ///
    /// # Errors
    /// [`Error::Body`] for a body that can't be parsed, [`Error::Value`] for the first invalid value,
    /// [`Error::Exceeded`].
    pub fn parse_bulk(&self, format: BulkFormat, body: &[u8], budget: &Budget) -> Result<Frame, Error> {
        let (schema, batches) = match format {
            BulkFormat::Lines => return lines(&self.signature, body, budget),
            BulkFormat::Csv => csv(&self.signature, body, budget)?,
            BulkFormat::Arrow => arrow_stream(&self.signature, body, budget)?,
        };
        let mut names = BTreeSet::new();
        if let Some(field) = schema.fields().iter().find(|field| !names.insert(field.name().as_str())) {
            let why = format!("the column `{}` is there twice; send it once", field.name());
            return Err(Error::Body { why });
        }
        let frame = Frame::from_batches(&schema, &batches, &self.plan.exact_columns())?;
        let missing = self.signature.inputs.iter().map(|input| input.name.as_str());
        let missing: Vec<&str> = missing.filter(|name| frame.get(name).is_none()).collect();
        let found = match missing.as_slice() {
            [] => return Ok(frame),
            [one] => format!("no such column{}", did_you_mean(one, frame.names())),
            [_, others @ ..] => format!("no such column, nor `{}`", others.join("`, `")),
        };
        Err(Error::Value {
            row: 1,
            column: missing[0].to_owned(),
            expected: "a value",
            found,
            remedy: "send every column of the model",
        })
    }
}

pub(super) fn lines(signature: &Signature, body: &[u8], budget: &Budget) -> Result<Frame, Error> {
    let _parsing = budget.take(json_bytes(body))?;
    let frame = frame_of(signature, &json_lines(body)?)?;
    budget.charge_each(frame.rows(), signature.inputs.len() * CELL)?;
    budget.charge(body.len())?;
    Ok(frame)
}

/// Reads all columns as the exact texts, which the plan gives their meaning. The delimiter is the one with which the header
/// has most columns of the signature.
pub(super) fn csv(signature: &Signature, body: &[u8], budget: &Budget) -> Result<Batches, Error> {
    let unreadable = |error: ArrowError| Error::Body { why: error.to_string() };
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let _header = budget.take_each(header_cells(body), HEADER_CELL)?;
    let _reading = budget.take_each(body.len(), CSV_BYTES)?;
    let header = |delimiter: u8| -> Result<Schema, ArrowError> {
        Format::default()
            .with_header(true)
            .with_delimiter(delimiter)
            .infer_schema(body, Some(0))
            .map(|found| found.0)
    };
    let known = |schema: &Schema| {
        let is_known = |name: &str| signature.inputs.iter().any(|input| input.name == name.trim());
        schema.fields().iter().filter(|field| is_known(field.name())).count()
    };
    let mut best = (b',', header(b',').map_err(unreadable)?);
    for delimiter in *b";\t|" {
        if known(&best.1) == signature.inputs.len() {
            break;
        }
        if let Ok(other) = header(delimiter)
            && known(&other) > known(&best.1)
        {
            best = (delimiter, other);
        }
    }
    let (delimiter, found) = best;
    let fields = found.fields().iter().map(|field| Field::new(field.name().trim(), DataType::Utf8, true));
    let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    let reader = ReaderBuilder::new(Arc::clone(&schema)).with_header(true).with_delimiter(delimiter);
    let mut batches = Vec::new();
    for batch in reader.build_buffered(body).map_err(unreadable)? {
        budget.check()?;
        let batch = batch.map_err(unreadable)?;
        budget.charge_each(batch.num_rows(), batch.num_columns() * CELL)?;
        budget.charge(batch.get_array_memory_size())?;
        batches.push(batch);
    }
    Ok((schema, batches))
}

/// Most columns that the header may have, with any of the delimiters. Line breaks in quotes belong to a name.
fn header_cells(body: &[u8]) -> usize {
    let (mut cells, mut quoted) = (1, false);
    for byte in body {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted && cells > 1 => break,
            b',' | b';' | b'\t' | b'|' => cells += 1,
            _ => {}
        }
    }
    cells
}

/// Batches and their schema.
type Batches = (Arc<Schema>, Vec<RecordBatch>);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cupola_budget::{Accounts, Exceeded, MemoryLimits};
    use cupola_prep::{ColumnType, InputColumn};

    use super::*;

    fn signature() -> Signature {
        let (name, kind) = ("a".to_owned(), ColumnType::Number);
        let input = InputColumn { name, kind, nullable: true, categories: None };
        Signature { inputs: vec![input], outputs: Vec::new(), window: None, query: None }
    }

    fn read(format: BulkFormat, body: &[u8], timeout: Duration) -> Result<usize, Error> {
        let accounts = Accounts::new(MemoryLimits::of_server(256 << 20));
        let budget = accounts.request(None, timeout);
        let rows = match format {
            BulkFormat::Lines => lines(&signature(), body, &budget)?.rows(),
            _ => csv(&signature(), body, &budget)?.1.iter().map(RecordBatch::num_rows).sum(),
        };
        assert!(accounts.used() > rows * size_of::<f64>());
        Ok(rows)
    }

    #[test]
    fn rows_and_headers_are_charged_before_they_are_read() {
        let minute = Duration::from_mins(1);
        let csv = |body: &[u8]| read(BulkFormat::Csv, body, minute);
        assert_eq!(csv(&[&b"a\n"[..], &b"1\n".repeat(100_000)].concat()).unwrap(), 100_000);
        let wide = b",".repeat(1 << 20);
        assert!(matches!(csv(&wide), Err(Error::Exceeded(Exceeded::Request { .. }))));
        let quoted = [&b"\"a\n"[..], &b",".repeat(1 << 20), b"\"\n1\n"].concat();
        assert!(matches!(csv(&quoted), Err(Error::Exceeded(Exceeded::Request { .. }))));
        let late = read(BulkFormat::Csv, b"a\n1\n", Duration::ZERO);
        assert!(matches!(late, Err(Error::Exceeded(Exceeded::Deadline { .. }))));
        let lines = |body: &[u8]| read(BulkFormat::Lines, body, minute);
        assert_eq!(lines(&b"{\"a\": 1.5}\n".repeat(10_000)).unwrap(), 10_000);
        assert!(matches!(lines(&b"{}".repeat(1 << 20)), Err(Error::Exceeded(Exceeded::Request { .. }))));
    }
}
