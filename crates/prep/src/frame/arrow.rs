//! Conversion of Arrow arrays to columns.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};

use super::Column;
use crate::error::Error;

/// Joins the arrays of one field into a column.
///
/// # Errors
/// [`Error::ArrowType`] for a type without a meaning here, [`Error::TooLarge`] for more than 2 GiB of text.
pub(super) fn column<'a>(
    name: &str,
    kind: &DataType,
    arrays: impl Iterator<Item = &'a ArrayRef>,
) -> Result<Column, Error> {
    let unsupported = || Error::ArrowType { column: name.to_owned(), found: kind.to_string() };
    if kind.is_numeric() || kind.is_temporal() || matches!(kind, DataType::Null) {
        let mut values: Vec<f64> = Vec::new();
        for array in arrays {
            append_numbers(array, &mut values).ok_or_else(unsupported)?;
        }
        return Ok(Column::Number { values: values.into(), integers: kind.is_integer() });
    }
    let joined = |kind: &DataType| -> Result<ArrayRef, Error> {
        let parts: Result<Vec<ArrayRef>, Error> =
            arrays.map(|array| cast(array, kind).map_err(|_| unsupported())).collect();
        join(name, kind, &parts?)
    };
    if kind.is_binary() || matches!(kind, DataType::BinaryView | DataType::LargeBinary) {
        return Ok(Column::Bytes(joined(&DataType::Binary)?.as_binary::<i32>().clone()));
    }
    let text = matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean);
    let dictionary = matches!(kind, DataType::Dictionary(_, value) if value.is_string());
    if text || dictionary {
        return Ok(Column::Text(joined(&DataType::Utf8)?.as_string::<i32>().clone()));
    }
    Err(unsupported())
}

fn join(name: &str, kind: &DataType, arrays: &[ArrayRef]) -> Result<ArrayRef, Error> {
    let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
    match parts.as_slice() {
        [] => Ok(arrow::array::new_empty_array(kind)),
        [_] => Ok(Arc::clone(&arrays[0])),
        // An array holds at most 2 GiB of text.
        many => concat(many).map_err(|_| Error::TooLarge { column: name.to_owned() }),
    }
}

/// Appends the numbers of an array, NaN where null; dates and times as seconds. `None` if Arrow cannot cast it.
fn append_numbers(array: &ArrayRef, values: &mut Vec<f64>) -> Option<()> {
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
        DataType::Date64 => Some(1e-3),
        DataType::Timestamp(unit, _)
        | DataType::Time32(unit)
        | DataType::Time64(unit)
        | DataType::Duration(unit) => match unit {
            TimeUnit::Second => Some(1.0),
            TimeUnit::Millisecond => Some(1e-3),
            TimeUnit::Microsecond => Some(1e-6),
            TimeUnit::Nanosecond => Some(1e-9),
        },
        _ => None,
    }
}
