//! Apache Avro.

use std::io::BufReader;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use arrow_avro::reader::ReaderBuilder;

use super::{BATCH_ROWS, READ_BYTES, RecordBatches, Scan, SourceRows, conform};
use crate::error::Error;
use crate::file::{DataFile, open_file};

pub(super) fn rows<'a>(scan: &Scan<'a>) -> Result<SourceRows<'a>, Error> {
    let scan_ = *scan;
    scan.self_describing(move |file| open_rows(scan_, file))
}

fn open_rows<'a>(scan: Scan<'a>, file: &'a DataFile) -> Result<(SchemaRef, RecordBatches<'a>), Error> {
    let input = BufReader::with_capacity(READ_BYTES, open_file(&file.path)?);
    let reader = ReaderBuilder::new().with_batch_size(BATCH_ROWS).build(input);
    let reader = reader.map_err(|error| scan.failure(error))?;
    // Avro's names and documentation do not belong to the rows.
    let fields = reader
        .schema()
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), field.data_type().clone(), field.is_nullable()))
        .collect::<Vec<_>>();
    let schema: SchemaRef = Arc::new(Schema::new(fields));
    let shown = Arc::clone(&schema);
    let batches = reader.map(move |batch| {
        batch.and_then(|batch| conform(&batch, &shown)).map_err(|error| scan.failure(error))
    });
    Ok((schema, Box::new(batches)))
}
