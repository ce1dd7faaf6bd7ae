//! Times of rows as numbers that can be sorted and subtracted.

use cupola_values::{is_common_marker, number_text, parse_date};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::error::Error;
use crate::frame::{Column, Frame};

/// Formats that are tried after ISO 8601.
const FORMATS: [&str; 4] = ["%Y-%m", "%Y/%m/%d", "%Y/%m/%d %H:%M", "%Y/%m/%d %H:%M:%S"];

/// Remedy for a missing column of times or keys.
pub(crate) const ORDER_COLUMNS: &str =
    "check `[split]` and `[series]`, and send the column with every row of a prediction";

/// Times of a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Times {
    /// Seconds since 1970 of dates, or the numbers themselves. NaN where missing.
    pub values: Vec<f64>,
    /// `true` for dates and times, `false` for numbers.
    pub dates: bool,
}

impl Times {
    /// Reads the times of a column. Texts are dates in `format`, or numbers, or dates as in ISO 8601; one with an
    /// offset or a zone is the instant that it names, one without is in UTC.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column, [`Error::Value`] for a value that is not a time.
    pub fn of(frame: &Frame, name: &str, format: Option<&str>) -> Result<Self, Error> {
        let column = frame.require(name, ORDER_COLUMNS)?;
        let found = match (column, format) {
            (Column::Number { values, time: true }, _) => Self { values: values.to_vec(), dates: true },
            (Column::Number { values, .. }, None) => Self::of_numbers(values.to_vec()),
            (Column::Number { values, .. }, Some(format)) => {
                let text = |value: &f64| (!value.is_nan()).then(|| number_text(*value));
                let texts: Vec<Option<String>> = values.iter().map(text).collect();
                read_dates(name, texts.iter().map(Option::as_deref), Some(format))?
            }
            (Column::Text(texts), format) => match numbers(texts.iter()).filter(|_| format.is_none()) {
                Some(values) => Self::of_numbers(values),
                None => read_dates(name, texts.iter(), format)?,
            },
            (Column::Bytes(_), _) => return Err(invalid(name, 0, format, "bytes".to_owned())),
        };
        match found.values.iter().position(|value| value.is_infinite()) {
            Some(row) => Err(invalid(name, row, format, found.values[row].to_string())),
            None => Ok(found),
        }
    }
}

impl Times {
    /// Numbers as times; dates if all of them are written as 20241231.
    fn of_numbers(values: Vec<f64>) -> Self {
        let compact = |value: &f64| {
            if value.is_nan() {
                return Some(f64::NAN);
            }
            let plausible = (19_000_101.0..21_000_101.0).contains(value) && value.fract() == 0.0;
            plausible.then(|| formatted(&number_text(*value), "%Y%m%d")).flatten()
        };
        match values.iter().map(compact).collect::<Option<Vec<f64>>>() {
            Some(values) if !values.is_empty() => Self { values, dates: true },
            _ => Self { values, dates: false },
        }
    }
}

/// `true` if a text is a date as in ISO 8601, and not a number.
pub(super) fn is_date(text: &str) -> bool {
    text.trim().parse::<f64>().is_err() && seconds(text, None).is_some()
}

/// The texts as numbers, NaN where missing; `None` if one of them is not a number, or all are missing.
fn numbers<'a>(texts: impl Iterator<Item = Option<&'a str>>) -> Option<Vec<f64>> {
    let number = |text: Option<&str>| match present(text) {
        Some(text) => text.parse::<f64>().ok(),
        None => Some(f64::NAN),
    };
    let values: Vec<f64> = texts.map(number).collect::<Option<_>>()?;
    values.iter().any(|value| !value.is_nan()).then_some(values)
}

fn read_dates<'a>(
    name: &str,
    texts: impl Iterator<Item = Option<&'a str>>,
    format: Option<&str>,
) -> Result<Times, Error> {
    let each = texts.enumerate().map(|(row, text)| match present(text) {
        Some(text) => seconds(text, format).ok_or_else(|| invalid(name, row, format, format!("`{text}`"))),
        None => Ok(f64::NAN),
    });
    Ok(Times { values: each.collect::<Result<_, _>>()?, dates: true })
}

fn present(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !is_common_marker(text))
}

/// Seconds since 1970 of a date or a time.
fn seconds(text: &str, format: Option<&str>) -> Option<f64> {
    let text = text.trim();
    if let Some(format) = format {
        return formatted(text, format);
    }
    // A text with an offset or a zone is an instant.
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(of_instant(instant));
    }
    if let Ok(civil) = text.parse::<DateTime>() {
        return of_civil(civil);
    }
    FORMATS.iter().find_map(|format| formatted(text, format))
}

fn formatted(text: &str, format: &str) -> Option<f64> {
    // Formats of numbers, such as `excel` and `unix_ms`, and years of two digits.
    if !format.contains('%') || format.contains("%y") {
        return of_civil(parse_date(text, Some(format))?);
    }
    let mut found = jiff::fmt::strtime::parse(format, text).ok()?;
    if let Ok(instant) = found.to_timestamp() {
        return Some(of_instant(instant));
    }
    if found.to_date().is_err() {
        // A month without a day begins on its first.
        found.set_day(Some(1)).ok()?;
    }
    let date = found.to_date().ok()?;
    of_civil(found.to_datetime().unwrap_or_else(|_| date.at(0, 0, 0, 0)))
}

/// Seconds since 1970 of a clock in UTC.
pub(super) fn of_civil(civil: DateTime) -> Option<f64> {
    Some(of_instant(civil.to_zoned(TimeZone::UTC).ok()?.timestamp()))
}

#[allow(clippy::cast_precision_loss, reason = "microseconds of this century are exact")]
fn of_instant(instant: Timestamp) -> f64 {
    instant.as_microsecond() as f64 / 1e6
}

fn invalid(column: &str, row: usize, format: Option<&str>, found: String) -> Error {
    Error::Value {
        row: row + 1,
        column: column.to_owned(),
        expected: match format {
            Some(format) => format!("a time as {format}"),
            None => "a time: a number, or a date as 2024-12-31 or 2024-12-31T23:59:59".to_owned(),
        },
        found,
        remedy: "fix it, or write the column's `format` under `[split]` or `[series]`".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn times(texts: &[&str], format: Option<&str>) -> Result<Times, Error> {
        let texts = texts.iter().map(|text| (!text.is_empty()).then_some(*text));
        Times::of(&Frame::default().with("t", Column::texts(texts)), "t", format)
    }

    #[test]
    fn dates_instants_months_and_numbers_are_seconds_or_themselves() {
        for (texts, format, expected) in [
            (["1970-01-02", "1970-01-01"], None, [86_400.0, 0.0]),
            (["1970-01-01 00:00:01.5", "1970-01-01T00:01"], None, [1.5, 60.0]),
            (["1970-01-01T02:00:00+02:00", "1970-01-01T00:00:30Z"], None, [0.0, 30.0]),
            (["1970-02", "1970-01"], None, [31.0 * 86_400.0, 0.0]),
            (["1970/01/02", " 1970/01/01 "], None, [86_400.0, 0.0]),
            (["02.01.1970", "01.01.1970"], Some("%d.%m.%Y"), [86_400.0, 0.0]),
            (["19700102", "19700101"], Some("%Y%m%d"), [86_400.0, 0.0]),
            (["86400000", "0"], Some("unix_ms"), [86_400.0, 0.0]),
            (["25570", "25569"], Some("excel"), [86_400.0, 0.0]),
            (["10", "9.5"], None, [10.0, 9.5]),
        ] {
            assert_eq!(times(&texts, format).unwrap().values, expected, "{texts:?}");
        }
        assert!(!times(&["10", "9"], None).unwrap().dates && times(&["2024-01-01"], None).unwrap().dates);
        assert_eq!(times(&["19700102", "19700101"], None).unwrap().values, [86_400.0, 0.0]);
        assert_eq!(times(&["19700102", "19709901"], None).unwrap().values, [19_700_102.0, 19_709_901.0]);
        let missing = times(&["2024-01-01", ""], None).unwrap().values;
        assert!(missing[1].is_nan() && !missing[0].is_nan());
        // Numbers in a format are dates: 20240131 read as a number is the same day.
        let frame = Frame::default().with("t", Column::numbers(vec![19_700_102.0]));
        assert_eq!(Times::of(&frame, "t", Some("%Y%m%d")).unwrap().values, [86_400.0]);
    }

    #[test]
    fn what_is_no_time_is_named_with_its_row() {
        for (texts, format) in
            [(["2024-01-01", "soon"], None), (["01.02.2024", "2024-01-01"], Some("%d.%m.%Y"))]
        {
            let error = times(&texts, format).unwrap_err().to_string();
            assert!(error.starts_with("row 2, column `t`: expected a time"), "{error}");
        }
        let frame = Frame::default().with("t", Column::numbers(vec![1.0, f64::INFINITY]));
        assert!(Times::of(&frame, "t", None).unwrap_err().to_string().contains("row 2"));
        assert!(
            Times::of(&frame, "T", None).unwrap_err().to_string().contains("did you mean `t`, in other case")
        );
    }
}
