//! JSON, one object a line. A file that is one list was rewritten as lines when it was collected.

use std::io::BufReader;
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::json::ReaderBuilder;
use arrow::json::reader::{ValueIter, infer_json_schema_from_iterator};

use super::batch::{FileBatch, FileBatches, chain};
use super::{BATCH_ROWS, INFERENCE_ROWS, READ_BYTES, Scan, SourceRows};
use crate::error::Error;
use crate::file::DataFile;

pub(super) fn rows<'a>(scan: &Scan<'a>) -> Result<SourceRows<'a>, Error> {
    let schema = schema(scan)?;
    let (scan_, read_as) = (*scan, Arc::clone(&schema));
    let open = move |file: &'a DataFile| -> Result<FileBatches<'a>, Error> {
        let builder = ReaderBuilder::new(Arc::clone(&read_as)).with_batch_size(BATCH_ROWS);
        let reader = builder.build(buffered(file)?).map_err(|error| scan_.row_error(&error))?;
        Ok(Box::new(
            reader.map(move |batch| batch.map(FileBatch::from).map_err(|error| scan_.row_error(&error))),
        ))
    };
    Ok(SourceRows { schema, batches: chain(scan.files, open), notes: Vec::new() })
}

/// Infers the schema from the first file that holds any bytes.
fn schema(scan: &Scan<'_>) -> Result<SchemaRef, Error> {
    let Some(file) = scan.filled_files().next() else { return Ok(Arc::new(Schema::empty())) };
    let rows = if scan.infer_from_all { usize::MAX } else { INFERENCE_ROWS };
    let wrong = |error: ArrowError| scan.row_error(&error);
    let schema = infer_json_schema_from_iterator(ValueIter::new(buffered(file)?, Some(rows)));
    Ok(Arc::new(schema.map_err(wrong)?))
}

fn buffered(file: &DataFile) -> Result<BufReader<Box<dyn std::io::Read + Send>>, Error> {
    Ok(BufReader::with_capacity(READ_BYTES, file.reader()?))
}
