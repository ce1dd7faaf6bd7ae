//! Canonical text of typed values.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float16Type, Float32Type, Float64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use arrow::error::ArrowError;
use cupola_values::{canonical_number, number_text, parse_date};
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

/// Texts of an array: whole numbers with all digits, fractions as short as possible, dates in ISO 8601 with the offset of
/// their zone.
///
/// # Errors
/// A type that Arrow cannot write as text.
pub(super) fn texts(array: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let written = |texts: StringArray| -> Result<ArrayRef, ArrowError> { Ok(Arc::new(texts)) };
    match array.data_type() {
        DataType::Utf8 => Ok(Arc::clone(array)),
        DataType::Float64 => {
            let values = array.as_primitive::<Float64Type>().iter();
            written(values.map(|value| value.filter(|value| !value.is_nan()).map(number_text)).collect())
        }
        // The shortest text of the narrow type: 0.1, where the nearest 64-bit float has 17 digits.
        DataType::Float32 => {
            let values = array.as_primitive::<Float32Type>().iter();
            written(values.map(|value| value.filter(|value| !value.is_nan()).map(narrow_text)).collect())
        }
        DataType::Float16 => {
            let values = array.as_primitive::<Float16Type>().iter();
            let values = values.map(|value| Some(value?.to_f32()));
            written(values.map(|value| value.filter(|value| !value.is_nan()).map(narrow_text)).collect())
        }
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => {
            let texts = cast(array, &DataType::Utf8)?;
            let texts = texts.as_string::<i32>().iter();
            written(
                texts.map(|text| text.map(|text| canonical_number(text).unwrap_or(text.into()))).collect(),
            )
        }
        DataType::Timestamp(_, Some(_)) => match zoned_texts(array) {
            Some(texts) => written(texts),
            None => cast(array, &DataType::Utf8),
        },
        _ => cast(array, &DataType::Utf8),
    }
}

fn narrow_text(value: f32) -> String {
    format!("{}", value + 0.0)
}

/// ISO 8601 texts of instants in the column's zone, with the offset at each.
fn zoned_texts(array: &ArrayRef) -> Option<StringArray> {
    let DataType::Timestamp(unit, Some(zone)) = array.data_type() else { return None };
    let zone = time_zone(zone)?;
    let instants = nanoseconds(array, *unit);
    let text = |instant: i128| {
        let time = Timestamp::from_nanosecond(instant).ok()?.to_zoned(zone.clone());
        Some(format!("{}{}", time.datetime(), offset_text(time.offset())))
    };
    Some(instants.map(|instant| instant.and_then(text)).collect())
}

fn offset_text(offset: Offset) -> String {
    let (sign, seconds) = (if offset.seconds() < 0 { '-' } else { '+' }, offset.seconds().unsigned_abs());
    format!("{sign}{:02}:{:02}", seconds / 3600, seconds % 3600 / 60)
}

/// Seconds since 1970 of the clock in the column's zone, or of its only clock, NaN where null; `None` for an unknown zone.
/// They equal those of the array's texts to the last bit, so a typed column and its texts are one column.
pub(super) fn wall_clock(array: &ArrayRef) -> Option<Vec<f64>> {
    let DataType::Timestamp(unit, zone) = array.data_type() else { return None };
    #[allow(clippy::cast_precision_loss, reason = "dates are numbers of seconds")]
    let in_seconds = |nanoseconds: i128| nanoseconds as f64 / 1e9;
    let Some(zone) = zone else {
        let instants = nanoseconds(array, *unit);
        return Some(instants.map(|instant| instant.map_or(f64::NAN, in_seconds)).collect());
    };
    let Some(zone) = time_zone(zone) else { return wall_clock_by_arrow(array) };
    let seconds = |instant: i128| {
        let time = Timestamp::from_nanosecond(instant).ok()?;
        let shift = i128::from(zone.to_offset(time).seconds()) * 1_000_000_000;
        Some(in_seconds(instant + shift))
    };
    Some(nanoseconds(array, *unit).map(|instant| instant.and_then(seconds).unwrap_or(f64::NAN)).collect())
}

/// The same by Arrow's own table of zones, for machines without one.
fn wall_clock_by_arrow(array: &ArrayRef) -> Option<Vec<f64>> {
    let texts = cast(array, &DataType::Utf8).ok()?;
    let seconds = |text: &str| {
        let time = parse_date(text, None)?.to_zoned(TimeZone::UTC).ok()?.timestamp();
        #[allow(clippy::cast_precision_loss, reason = "dates are numbers of seconds")]
        Some(time.as_nanosecond() as f64 / 1e9)
    };
    let times = texts.as_string::<i32>().iter();
    times.map(|text| text.map_or(Some(f64::NAN), seconds)).collect()
}

/// Instants of a column of time stamps, in nanoseconds since 1970.
fn nanoseconds<'a>(array: &'a ArrayRef, unit: TimeUnit) -> Box<dyn Iterator<Item = Option<i128>> + 'a> {
    let scaled = |scale: i128| move |value: Option<i64>| value.map(|value| i128::from(value) * scale);
    match unit {
        TimeUnit::Second => {
            Box::new(array.as_primitive::<TimestampSecondType>().iter().map(scaled(1_000_000_000)))
        }
        TimeUnit::Millisecond => {
            Box::new(array.as_primitive::<TimestampMillisecondType>().iter().map(scaled(1_000_000)))
        }
        TimeUnit::Microsecond => {
            Box::new(array.as_primitive::<TimestampMicrosecondType>().iter().map(scaled(1_000)))
        }
        TimeUnit::Nanosecond => {
            Box::new(array.as_primitive::<TimestampNanosecondType>().iter().map(scaled(1)))
        }
    }
}

/// Zone of an Arrow type: a name, or an offset such as `+05:30`.
fn time_zone(name: &str) -> Option<TimeZone> {
    if matches!(name, "UTC" | "Z" | "utc") {
        return Some(TimeZone::UTC);
    }
    if name.starts_with(['+', '-']) {
        // An instant with that offset tells it: 1970-01-01T00:00:00+05:30 was at the negative offset in UTC.
        let local = parse_date(&format!("1970-01-01T00:00:00{name}"), None)?;
        let instant: Timestamp = format!("1970-01-01T00:00:00{name}").parse().ok()?;
        let at = local.to_zoned(TimeZone::UTC).ok()?.timestamp();
        let seconds = i32::try_from(at.as_second() - instant.as_second()).ok()?;
        return Some(TimeZone::fixed(Offset::from_seconds(seconds).ok()?));
    }
    TimeZone::get(name).ok()
}
