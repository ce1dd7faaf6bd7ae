//! Columns from Arrow arrays.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::compute::{cast, concat};
use arrow::datatypes::{DataType, Float64Type, TimeUnit};

use super::Column;
use crate::error::Error;

pub(super) fn column<'a>(
    name: &str,
    kind: &DataType,
    arrays: impl Iterator<Item = &'a Arc<dyn Array>>,
) -> Result<Column, Error> {
    let wrong = || Error::ArrowType { column: name.to_owned(), found: kind.to_string() };
    let whole = |kind: &DataType, arrays: Vec<ArrayRef>| -> Result<ArrayRef, Error> {
        let parts: Vec<&dyn Array> = arrays.iter().map(AsRef::as_ref).collect();
        match parts.as_slice() {
            [] => Ok(arrow::array::new_empty_array(kind)),
            [_] => Ok(Arc::clone(&arrays[0])),
            // More than 2 GiB of text does not fit one array.
            many => concat(many).map_err(|_| Error::TooLarge { column: name.to_owned() }),
        }
    };
    if kind.is_numeric() || kind.is_temporal() || matches!(kind, DataType::Null) {
        let mut values: Vec<f64> = Vec::new();
        for array in arrays {
            let (array, scale) = numbers(array).ok_or_else(wrong)?;
            let array = array.as_primitive::<Float64Type>();
            if array.null_count() == 0 && scale.is_none() {
                values.extend_from_slice(array.values());
            } else {
                values.extend(
                    array.iter().map(|value| value.map_or(f64::NAN, |value| value * scale.unwrap_or(1.0))),
                );
            }
        }
        return Ok(Column::Number { values: values.into(), integers: kind.is_integer() });
    }
    if kind.is_binary() || matches!(kind, DataType::BinaryView | DataType::LargeBinary) {
        let parts: Result<Vec<ArrayRef>, Error> =
            arrays.map(|array| cast(array, &DataType::Binary).map_err(|_| wrong())).collect();
        return Ok(Column::Bytes(whole(&DataType::Binary, parts?)?.as_binary::<i32>().clone()));
    }
    let text = matches!(kind, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean);
    let dictionary = matches!(kind, DataType::Dictionary(_, value) if value.is_string());
    if !text && !dictionary {
        return Err(wrong());
    }
    let parts: Result<Vec<ArrayRef>, Error> =
        arrays.map(|array| cast(array, &DataType::Utf8).map_err(|_| wrong())).collect();
    Ok(Column::Text(whole(&DataType::Utf8, parts?)?.as_string::<i32>().clone()))
}

/// Numbers, and what they are multiplied by: dates and times become seconds.
fn numbers(array: &ArrayRef) -> Option<(ArrayRef, Option<f64>)> {
    let scale = match array.data_type() {
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
    };
    let array = match array.data_type() {
        DataType::Date32 | DataType::Time32(_) => cast(array, &DataType::Int32).ok()?,
        kind if kind.is_temporal() => cast(array, &DataType::Int64).ok()?,
        _ => Arc::clone(array),
    };
    Some((cast(&array, &DataType::Float64).ok()?, scale))
}
