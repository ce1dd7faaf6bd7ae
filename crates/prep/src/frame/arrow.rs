//! Conversion of Arrow arrays to columns.

mod text;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Field, Float64Type, Int64Type, SchemaRef, TimeUnit, UInt64Type};
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use self::text::{texts, wall_clock};
use super::Column;
use crate::error::Error;

/// Joins the arrays of one field into a column, of texts if `as_text`. `None` for a type without a meaning here, such as
/// a list.
///
/// # Errors
/// [`Error::TooLarge`] for more than 2 GiB of text.
pub(super) fn column<'a>(
    name: &str,
    kind: &DataType,
    arrays: impl Iterator<Item = &'a ArrayRef>,
    as_text: bool,
) -> Result<Option<Column>, Error> {
    // Arrow would write lists as texts, whose length the sizes of their arrays do not bound.
    if kind.is_nested() {
        return Ok(None);
    }
    let plain: Result<Vec<ArrayRef>, ArrowError> = arrays.map(decoded).collect();
    let Ok(arrays) = plain else { return Ok(None) };
    let kind = match kind {
        DataType::Dictionary(_, values) => values.as_ref(),
        kind => kind,
    };
    let too_large = |_| Error::TooLarge { column: name.to_owned() };
    if kind.is_binary() || matches!(kind, DataType::BinaryView | DataType::LargeBinary) {
        let parts: Result<Vec<ArrayRef>, ArrowError> =
            arrays.iter().map(|array| cast(array, &DataType::Binary)).collect();
        let Ok(parts) = parts else { return Ok(None) };
        let joined = join(&DataType::Binary, &parts).map_err(too_large)?;
        // Some writers of Parquet do not mark texts as such.
        if as_text
            && let Ok(texts) = cast(&joined, &DataType::Utf8)
            && texts.null_count() == joined.null_count()
        {
            return Ok(Some(Column::Text(texts.as_string::<i32>().clone())));
        }
        return Ok(Some(Column::Bytes(joined.as_binary::<i32>().clone())));
    }
    let is_text =
        matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean);
    if is_text || as_text {
        let parts: Result<Vec<ArrayRef>, ArrowError> = arrays.iter().map(texts).collect();
        let Ok(parts) = parts else { return Ok(None) };
        let joined = join(&DataType::Utf8, &parts).map_err(too_large)?;
        return Ok(Some(Column::Text(joined.as_string::<i32>().clone())));
    }
    if !kind.is_numeric() && !kind.is_temporal() && !matches!(kind, DataType::Null) {
        return Ok(None);
    }
    let mut values: Vec<f64> = Vec::new();
    for array in &arrays {
        if append_numbers(array, &mut values).is_none() {
            return Ok(None);
        }
    }
    // A time of day and a duration are numbers of seconds, not points in time.
    let time = matches!(kind, DataType::Date32 | DataType::Date64 | DataType::Timestamp(..));
    Ok(Some(Column::Number { values: values.into(), time }))
}

/// Column of lists of numbers, such as the forecasts of a log: a list for each row, `None` where it is missing. `None`
/// without such a column.
pub fn list_column(schema: &SchemaRef, batches: &[RecordBatch], name: &str) -> Option<Vec<Option<Vec<f64>>>> {
    let (index, field) = schema.column_with_name(name)?;
    let (DataType::List(_) | DataType::LargeList(_)) = field.data_type() else { return None };
    let item = Field::new_list_field(DataType::Float64, true);
    let mut rows = Vec::with_capacity(batches.iter().map(RecordBatch::num_rows).sum());
    for batch in batches {
        let lists = cast(batch.column(index), &DataType::List(Arc::new(item.clone()))).ok()?;
        let row = |list: Option<ArrayRef>| {
            let list = list?;
            let values = list.as_primitive::<Float64Type>().iter();
            Some(values.map(|value| value.unwrap_or(f64::NAN)).collect())
        };
        rows.extend(lists.as_list::<i32>().iter().map(row));
    }
    Some(rows)
}

/// `true` if an array has integers beyond 2^53, of which several are the same 64-bit float.
pub(super) fn is_inexact(array: &ArrayRef) -> bool {
    match array.data_type() {
        DataType::Int64 => {
            array.as_primitive::<Int64Type>().iter().flatten().any(|value| value.unsigned_abs() > 1 << 53)
        }
        DataType::UInt64 => array.as_primitive::<UInt64Type>().iter().flatten().any(|value| value > 1 << 53),
        _ => false,
    }
}

/// Array of the values of a dictionary; any other array as it is.
fn decoded(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    match array.data_type() {
        DataType::Dictionary(_, values) => cast(array, values),
        _ => Ok(Arc::clone(array)),
    }
}

fn join(kind: &DataType, arrays: &[ArrayRef]) -> Result<ArrayRef, ArrowError> {
    let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        [] => Ok(arrow::array::new_empty_array(kind)),
        [_] => Ok(Arc::clone(&arrays[0])),
        // An array holds at most 2 GiB of text.
        many => concat(many),
    }
}

/// Appends the numbers of an array, NaN where null; dates and times as seconds of the clock in their own zone. `None` if
/// Arrow cannot cast it.
fn append_numbers(array: &ArrayRef, values: &mut Vec<f64>) -> Option<()> {
    if let DataType::Timestamp(..) = array.data_type() {
        values.extend(wall_clock(array)?);
        return Some(());
    }
    if array.data_type() == &DataType::Date64 {
        values.extend(wall_clock(&cast(array, &DataType::Timestamp(TimeUnit::Millisecond, None)).ok()?)?);
        return Some(());
    }
    let scale = seconds_per_unit(array.data_type());
    let array = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(array, &DataType::Int32).ok()?,
        kind if kind.is_temporal() => cast(array, &DataType::Int64).ok()?,
        _ => Arc::clone(array),
    };
    let array = cast(&array, &DataType::Float64).ok()?;
    let array = array.as_primitive::<Float64Type>();
    if array.null_count() == 0 && scale.is_none() {
        values.extend_from_slice(array.values());
    } else {
        let scale = scale.unwrap_or(1.0);
        values.extend(array.iter().map(|value| value.map_or(f64::NAN, |value| value * scale)));
    }
    Some(())
}

/// Seconds in one unit of a date or time type; `None` for other types.
fn seconds_per_unit(kind: &DataType) -> Option<f64> {
    match kind {
        DataType::Date32 => Some(86_400.0),
        DataType::Time32(unit) | DataType::Time64(unit) | DataType::Duration(unit) => match unit {
            TimeUnit::Second => Some(1.0),
            TimeUnit::Millisecond => Some(1e-3),
            TimeUnit::Microsecond => Some(1e-6),
            TimeUnit::Nanosecond => Some(1e-9),
        },
        _ => None,
    }
}
