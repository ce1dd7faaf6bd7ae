//! Apache Parquet.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder,
};
use parquet::errors::ParquetError;

use super::conform::conform;
use super::{BATCH_ROWS, RecordBatches, Scan, SourceRows};
use crate::error::Error;
use crate::error::io_error;
use crate::file::{DataFile, open_file};

pub(super) fn rows<'a>(scan: &Scan<'a>) -> Result<SourceRows<'a>, Error> {
    let scan_ = *scan;
    scan.self_describing(move |file| open_rows(scan_, file))
}

fn open_rows<'a>(scan: Scan<'a>, file: &'a DataFile) -> Result<(SchemaRef, RecordBatches<'a>), Error> {
    let wrong = move |error: ParquetError| scan.failure_in(file, error);
    let input = open_file(&file.path)?;
    let mut metadata = ArrowReaderMetadata::load(&input, ArrowReaderOptions::new()).map_err(wrong)?;
    if !scan.keep_text_types {
        let options = ArrowReaderOptions::new().with_schema(with_views(metadata.schema()));
        metadata = ArrowReaderMetadata::try_new(Arc::clone(metadata.metadata()), options).map_err(wrong)?;
    }
    let schema = without_metadata(metadata.schema());
    let shown = Arc::clone(&schema);
    // A batch does not span row groups.
    let groups = (0..metadata.metadata().num_row_groups()).map(move |group| {
        let input = input.try_clone().map_err(io_error(&file.path))?;
        ParquetRecordBatchReaderBuilder::new_with_metadata(input, metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(BATCH_ROWS)
            .build()
            .map_err(wrong)
    });
    let batches = groups.flat_map(move |group| -> RecordBatches<'a> {
        let shown = Arc::clone(&shown);
        match group {
            Ok(batches) => Box::new(batches.map(move |batch| {
                batch.and_then(|batch| conform(&batch, &shown)).map_err(|error| scan.failure_in(file, error))
            })),
            Err(error) => Box::new(std::iter::once(Err(error))),
        }
    });
    Ok((schema, Box::new(batches)))
}

/// Text and binary columns as views: the values stay where the page was decoded. Dictionaries of other values, which
/// the reader of pages does not know for every type, as the values.
fn with_views(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| {
        let kind = match field.data_type() {
            DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
            DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
            DataType::Dictionary(_, value) if !is_text(value) => value.as_ref().clone(),
            _ => return Arc::clone(field),
        };
        Arc::new(field.as_ref().clone().with_data_type(kind))
    });
    Arc::new(Schema::new_with_metadata(fields.collect::<Vec<_>>(), schema.metadata().clone()))
}

fn is_text(kind: &DataType) -> bool {
    matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

/// The same columns; what the writer noted beside them does not belong to the rows.
fn without_metadata(schema: &Schema) -> SchemaRef {
    let fields = schema
        .fields()
        .iter()
        .map(|field| Field::new(field.name(), field.data_type().clone(), field.is_nullable()));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dictionaries_of_values_other_than_text_are_read_as_the_values() {
        let dictionary = |value| DataType::Dictionary(Box::new(DataType::Int8), Box::new(value));
        let field = |kind| Field::new("v", kind, true);
        for (kind, expected) in [
            (dictionary(DataType::Boolean), DataType::Boolean),
            (dictionary(DataType::Decimal128(3, 2)), DataType::Decimal128(3, 2)),
            (dictionary(DataType::Int64), DataType::Int64),
            (dictionary(DataType::Utf8), dictionary(DataType::Utf8)),
            (DataType::Utf8, DataType::Utf8View),
        ] {
            assert_eq!(with_views(&Schema::new(vec![field(kind)])).field(0).data_type(), &expected);
        }
    }
}
