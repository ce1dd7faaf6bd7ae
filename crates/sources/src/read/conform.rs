//! One schema for files that carry their own: the union of their columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::record_batch::{RecordBatch, RecordBatchOptions};

/// Columns of both schemas, each with a type that holds the values of both.
pub(super) fn union(known: &Schema, other: &Schema) -> Schema {
    let mut fields: Vec<Field> = known.fields().iter().map(|field| field.as_ref().clone()).collect();
    for field in other.fields() {
        match fields.iter_mut().find(|known| known.name() == field.name()) {
            Some(known) => {
                let both = common_type(known.data_type(), field.data_type());
                *known = Field::new(field.name(), both, true);
            }
            None => fields.push(Field::new(field.name(), field.data_type().clone(), true)),
        }
    }
    Schema::new(fields)
}

/// The same columns; one without any value is text, which holds everything.
pub(super) fn without_null_types(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter().map(|field| match field.data_type() {
        DataType::Null => Arc::new(Field::new(field.name(), DataType::Utf8, true)),
        _ => Arc::clone(field),
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// Names of the columns that Airbyte writes beside those of a record, one of which is in each table.
const AIRBYTE_IDS: [&str; 2] = ["_airbyte_raw_id", "_airbyte_ab_id"];

/// `true` if there is a column that only tables of Airbyte have.
pub(super) fn is_of_airbyte<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| AIRBYTE_IDS.contains(&name))
}

/// `true` for a column that Airbyte writes beside those of a record.
pub(super) fn is_metadata_of_airbyte(name: &str) -> bool {
    name.starts_with("_airbyte_") && name != "_airbyte_data"
}

/// The columns of the records; `None` for a table that is not of Airbyte.
pub(super) fn without_metadata_of_airbyte(schema: &Schema) -> Option<SchemaRef> {
    if !is_of_airbyte(schema.fields().iter().map(|field| field.name().as_str())) {
        return None;
    }
    let fields = schema.fields().iter().filter(|field| !is_metadata_of_airbyte(field.name()));
    Some(Arc::new(Schema::new(fields.cloned().collect::<Vec<_>>())))
}

/// `true` for a name that pandas gives to an index without one: in Parquet, and when it reads the nameless column of a
/// CSV file.
pub(super) fn is_pandas_index(name: &str) -> bool {
    let number = name.strip_prefix("__index_level_").and_then(|rest| rest.strip_suffix("__"));
    name == "Unnamed: 0" || number.is_some_and(|number| number.parse::<u8>().is_ok())
}

/// The columns besides an index of pandas, and the name of that one; `None` for a table without one.
pub(super) fn without_pandas_index(schema: &Schema) -> Option<(SchemaRef, String)> {
    let index = schema.fields().iter().find(|field| is_pandas_index(field.name()))?.name().clone();
    let fields: Vec<_> =
        schema.fields().iter().filter(|field| !is_pandas_index(field.name())).cloned().collect();
    (!fields.is_empty()).then(|| (Arc::new(Schema::new(fields)) as SchemaRef, index))
}

/// Narrowest type that holds the values of both types.
pub(crate) fn common_type(a: &DataType, b: &DataType) -> DataType {
    use DataType::{
        Binary, BinaryView, Date32, Date64, Dictionary, Float64, Int64, LargeBinary, LargeUtf8, Null,
        Timestamp, Utf8, Utf8View,
    };
    match (a, b) {
        (a, b) if a == b => a.clone(),
        (Null, other) | (other, Null) => other.clone(),
        (Dictionary(_, value), other) | (other, Dictionary(_, value)) => common_type(value, other),
        (a, b) if is_small_integer(a) && is_small_integer(b) => Int64,
        (a, b) if is_number(a) && is_number(b) && (a.is_floating() || b.is_floating()) => Float64,
        (Date32 | Date64, Timestamp(unit, zone)) | (Timestamp(unit, zone), Date32 | Date64) => {
            Timestamp(*unit, zone.clone())
        }
        (Timestamp(a, zone), Timestamp(b, other)) if zone == other => Timestamp(*a.max(b), zone.clone()),
        (Date32, Date64) | (Date64, Date32) => Date64,
        (Utf8View, Utf8 | LargeUtf8) | (Utf8 | LargeUtf8, Utf8View) => Utf8View,
        (LargeUtf8, Utf8) | (Utf8, LargeUtf8) => LargeUtf8,
        (BinaryView, Binary | LargeBinary) | (Binary | LargeBinary, BinaryView) => BinaryView,
        (LargeBinary, Binary) | (Binary, LargeBinary) => LargeBinary,
        // A reader of another file fails on values that do not fit, and names the column.
        (a, _) if a.is_nested() => a.clone(),
        _ => Utf8,
    }
}

fn is_small_integer(kind: &DataType) -> bool {
    kind.is_integer() && kind != &DataType::UInt64
}

fn is_number(kind: &DataType) -> bool {
    kind.is_integer() || kind.is_floating()
}

/// Columns of a batch by name, cast to the schema's types; a column that the batch lacks is missing in every row.
pub(super) fn conform(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch, ArrowError> {
    if batch.schema_ref() == schema {
        return Ok(batch.clone());
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns = schema.fields().iter().map(|field| match batch.column_by_name(field.name()) {
        Some(column) if column.data_type() == field.data_type() => Ok(Arc::clone(column)),
        Some(column) => cast_with_options(column, field.data_type(), &options)
            .map_err(|error| ArrowError::CastError(format!("column `{}`: {error}", field.name()))),
        None => Ok(new_null_array(field.data_type(), batch.num_rows())),
    });
    let columns = columns.collect::<Result<Vec<ArrayRef>, _>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Array, AsArray, Float64Array, Int64Array, StringArray};
    use arrow::datatypes::{Float64Type, TimeUnit};

    use super::*;

    #[test]
    fn types_are_widened_and_columns_added() {
        let field = |name: &str, kind| Field::new(name, kind, true);
        let first = Schema::new(vec![field("n", DataType::Int64), field("only", DataType::Utf8)]);
        let second = Schema::new(vec![field("new", DataType::Boolean), field("n", DataType::Float64)]);
        let both = Arc::new(union(&first, &second));
        let names: Vec<&str> = both.fields().iter().map(|field| field.name().as_str()).collect();
        assert_eq!(names, ["n", "only", "new"]);
        let ints: ArrayRef = Arc::new(Int64Array::from(vec![1, 2]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
        let batch = RecordBatch::try_new(Arc::new(first), vec![ints, texts]).unwrap();
        let found = conform(&batch, &both).unwrap();
        let numbers: &Float64Array = found.column(0).as_primitive::<Float64Type>();
        assert_eq!(numbers.values(), &[1.0, 2.0]);
        assert_eq!(found.column(2).null_count(), 2);
    }

    #[test]
    fn an_index_of_pandas_is_left_out() {
        let schema = |names: &[&str]| {
            Schema::new(names.iter().map(|name| Field::new(*name, DataType::Int64, true)).collect::<Vec<_>>())
        };
        let found = without_pandas_index(&schema(&["a", "__index_level_0__", "b"]));
        let (kept, index) = found.unwrap();
        assert_eq!((kept.as_ref(), index.as_str()), (&schema(&["a", "b"]), "__index_level_0__"));
        for names in [&["a", "__index_level_x__"][..], &["Unnamed: 1"], &["__index_level_0__"]] {
            assert_eq!(without_pandas_index(&schema(names)), None, "{names:?}");
        }
    }

    #[test]
    fn each_pair_of_types_has_one_that_holds_both() {
        let dictionary = DataType::Dictionary(Box::new(DataType::Int8), Box::new(DataType::Int64));
        let time = |unit| DataType::Timestamp(unit, None);
        for (a, b, both) in [
            (DataType::Int32, DataType::Int64, DataType::Int64),
            (DataType::Int8, DataType::Float32, DataType::Float64),
            (DataType::UInt64, DataType::Int64, DataType::Utf8),
            (dictionary, DataType::Int64, DataType::Int64),
            (DataType::Utf8, DataType::Utf8View, DataType::Utf8View),
            (DataType::Null, DataType::Date32, DataType::Date32),
            (DataType::Int64, DataType::Utf8, DataType::Utf8),
            (time(TimeUnit::Second), time(TimeUnit::Nanosecond), time(TimeUnit::Nanosecond)),
            (DataType::Date32, time(TimeUnit::Second), time(TimeUnit::Second)),
        ] {
            assert_eq!((common_type(&a, &b), common_type(&b, &a)), (both.clone(), both));
        }
    }
}
