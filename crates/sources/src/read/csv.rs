//! CSV and TSV.
//!
//! Types are inferred from the first rows. If a later row does not fit, the source is read again with types inferred
//! from all rows: fields are then read as text and cast.

mod parallel;
pub(crate) mod schema;
mod split;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use self::parallel::{ChunkParser, ParallelRows};
use self::schema::{csv_schema, null_regex, same_headers};
use super::batch::{FileBatch, FileBatches, chain};
use super::{BATCH_ROWS, INFERENCE_ROWS, READ_BYTES, Scan, SourceRows};
use crate::error::Error;
use crate::file::DataFile;

pub(super) fn rows<'a>(scan: &Scan<'a>, delimiter: u8) -> Result<SourceRows<'a>, Error> {
    let (schema, read_as) = schemas(scan, delimiter)?;
    if schema.fields().is_empty() {
        return Ok(SourceRows::empty());
    }
    let finisher = ColumnFinisher { schema: Arc::clone(&schema), nulls: scan.nulls.into() };
    let label = scan.label;
    let open = move |file: &'a DataFile| -> Result<FileBatches<'a>, Error> {
        let parser = ChunkParser {
            read_as: Arc::clone(&read_as),
            delimiter,
            finisher: finisher.clone(),
            label: label.to_owned(),
        };
        let rows = ParallelRows::new(file.reader()?, parser, BATCH_ROWS, READ_BYTES)?;
        Ok(Box::new(rows.map(|batch| batch.map(FileBatch::from))))
    };
    Ok(SourceRows { schema, batches: chain(scan.files, open), notes: Vec::new() })
}

/// Schema of the source, and the schema to parse with: all text if types are inferred from all rows.
pub(super) fn schemas(scan: &Scan<'_>, delimiter: u8) -> Result<(SchemaRef, SchemaRef), Error> {
    same_headers(scan.files, delimiter)?;
    let nulls = null_regex(scan.nulls)?;
    let rows = if scan.infer_from_all { usize::MAX } else { INFERENCE_ROWS };
    let schema = csv_schema(scan.files, delimiter, nulls.as_ref(), rows);
    let schema = Arc::new(schema.map_err(|error| scan.row_error(&error))?);
    if !scan.infer_from_all {
        return Ok((Arc::clone(&schema), schema));
    }
    let fields = schema.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true));
    let texts = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok((schema, texts))
}

/// Last step of parsing: null markers become null, and text takes the inferred types.
#[derive(Clone)]
struct ColumnFinisher {
    schema: SchemaRef,
    nulls: Arc<[String]>,
}

impl ColumnFinisher {
    fn finish(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
            let Some(texts) = column.as_string_opt::<i32>() else { return Ok(Arc::clone(column)) };
            let texts = mask_nulls(texts, &self.nulls);
            if field.data_type() == &DataType::Utf8 {
                return Ok(Arc::new(texts) as ArrayRef);
            }
            cast_with_options(&texts, field.data_type(), &options)
        });
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<Vec<_>, _>>()?)
    }
}

/// Makes values null that are one of the null markers.
fn mask_nulls(texts: &StringArray, markers: &[String]) -> StringArray {
    let is_marker = |row: usize| markers.iter().any(|marker| marker == texts.value(row));
    if !(0..texts.len()).any(is_marker) {
        return texts.clone();
    }
    let known = NullBuffer::new(BooleanBuffer::collect_bool(texts.len(), |row| !is_marker(row)));
    let (offsets, values, nulls) = texts.clone().into_parts();
    StringArray::new(offsets, values, NullBuffer::union(nulls.as_ref(), Some(&known)))
}
