//! CSV and TSV.

use std::io::BufReader;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::{BATCH_ROWS, Batches, INFERENCE_ROWS, READ_BYTES, Rows, Scan};
use crate::csv_schema::{csv_schema, null_regex, same_headers};
use crate::error::Error;
use crate::files::DataFile;

pub(super) fn rows<'a>(scan: &Scan<'a>, delimiter: u8) -> Result<Rows<'a>, Error> {
    let (schema, read_as) = schemas(scan, delimiter)?;
    if schema.fields().is_empty() {
        return Ok(Rows { schema, batches: Box::new(std::iter::empty()) });
    }
    let columns = Columns { schema: Arc::clone(&schema), nulls: scan.nulls };
    let scan_ = *scan;
    let open = move |file: &'a DataFile| -> Result<Batches<'a>, Error> {
        let builder = ReaderBuilder::new(Arc::clone(&read_as))
            .with_delimiter(delimiter)
            .with_header(true)
            .with_batch_size(BATCH_ROWS);
        let reader = BufReader::with_capacity(READ_BYTES, file.reader()?);
        let reader = builder.build_buffered(reader).map_err(|error| scan_.row_error(&error))?;
        let columns = columns.clone();
        let batches = reader.map(move |batch| batch.and_then(|batch| columns.of(&batch)));
        Ok(Box::new(batches.map(move |batch| batch.map_err(|error| scan_.row_error(&error)))))
    };
    Ok(Rows { schema, batches: scan.chain(scan.files.iter().collect(), open) })
}

/// Schema of the source, and the one that the parser reads: all text where types were inferred from all rows.
pub(super) fn schemas(scan: &Scan<'_>, delimiter: u8) -> Result<(SchemaRef, SchemaRef), Error> {
    same_headers(scan.files, delimiter)?;
    let nulls = null_regex(scan.nulls)?;
    let rows = if scan.careful { usize::MAX } else { INFERENCE_ROWS };
    let schema = csv_schema(scan.files, delimiter, nulls.as_ref(), rows);
    let schema = Arc::new(schema.map_err(|error| scan.row_error(&error))?);
    if !scan.careful {
        return Ok((Arc::clone(&schema), schema));
    }
    let fields = schema.fields().iter().map(|field| Field::new(field.name(), DataType::Utf8, true));
    let texts = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
    Ok((schema, texts))
}

/// Last step of reading: null markers become null, and text takes the inferred types.
#[derive(Clone)]
struct Columns<'a> {
    schema: SchemaRef,
    nulls: &'a [String],
}

impl Columns<'_> {
    fn of(&self, batch: &RecordBatch) -> Result<RecordBatch, ArrowError> {
        let options = CastOptions { safe: false, ..CastOptions::default() };
        let columns = batch.columns().iter().zip(self.schema.fields()).map(|(column, field)| {
            let Some(texts) = column.as_string_opt::<i32>() else { return Ok(Arc::clone(column)) };
            let texts = without_nulls(texts, self.nulls);
            if field.data_type() == &DataType::Utf8 {
                return Ok(Arc::new(texts) as ArrayRef);
            }
            cast_with_options(&texts, field.data_type(), &options)
        });
        RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<Vec<_>, _>>()?)
    }
}

/// Masks values that are one of the null markers.
fn without_nulls(texts: &StringArray, nulls: &[String]) -> StringArray {
    let is_marker = |row: usize| nulls.iter().any(|marker| marker == texts.value(row));
    if !(0..texts.len()).any(is_marker) {
        return texts.clone();
    }
    let known = NullBuffer::new(BooleanBuffer::collect_bool(texts.len(), |row| !is_marker(row)));
    let (offsets, values, nulls) = texts.clone().into_parts();
    StringArray::new(offsets, values, NullBuffer::union(nulls.as_ref(), Some(&known)))
}
