//! Dates and times: their parts as numbers, or as points on circles.

use cupola_spec::{DatePart, Input, Scaling};
use cupola_values::{clock_at, clock_microseconds, is_common_marker, parse_date};
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{EncodedColumns, ExampleBuilder};
use crate::frame::{Column, Frame, SEND_TRAINED_COLUMNS};
use crate::stats::Moments;

/// Parts that an input without `parts` has.
const DEFAULT_PARTS: [DatePart; 4] = [DatePart::Year, DatePart::Month, DatePart::Day, DatePart::Weekday];

/// Fitted transform of a column of dates: each part as `(part - shift) * factor`, or as sine and cosine. A missing
/// date is 0 throughout: the mean of each number, the centre of each circle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedDate {
    /// Name of the column.
    pub column: String,
    /// `strptime` format of texts, `excel`, `unix` or the like; `None` for ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// Parts that become numbers.
    pub numbers: Vec<FittedPart>,
    /// Parts that become points on circles.
    pub circles: Vec<DatePart>,
}

/// Standardised part of a date.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedPart {
    /// The part.
    pub part: DatePart,
    /// Subtracted first.
    pub shift: f64,
    /// Multiplied then.
    pub factor: f64,
}

/// Column of dates being fitted.
#[derive(Debug)]
pub(crate) struct DateFit {
    column: String,
    format: Option<String>,
    numbers: Vec<(DatePart, Moments)>,
    circles: Vec<DatePart>,
}

impl DateFit {
    /// Starts a fit.
    pub fn new(column: &str, input: &Input) -> Self {
        let parts = input.parts.clone().unwrap_or_else(|| DEFAULT_PARTS.to_vec());
        let is_circle = |part: &DatePart| input.cycle == Some(true) && cycle(*part).is_some();
        let (circles, numbers): (Vec<DatePart>, Vec<DatePart>) = parts.into_iter().partition(is_circle);
        let numbers = numbers.into_iter().map(|part| (part, Moments::default())).collect();
        Self { column: column.to_owned(), format: input.format.clone(), numbers, circles }
    }

    /// Adds training rows.
    pub fn observe(&mut self, frame: &Frame) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND_TRAINED_COLUMNS)?;
        for row in 0..frame.rows() {
            if let Some(date) = date_in_row(&self.column, values, row, self.format.as_deref())? {
                self.numbers.iter_mut().for_each(|(part, moments)| moments.add(part_value(*part, &date)));
            }
        }
        Ok(())
    }

    /// Computes the transform.
    pub fn finish(self) -> FittedDate {
        let scaled = self.numbers.into_iter().map(|(part, moments)| {
            let (shift, factor) = moments.scaling(Scaling::Standard);
            FittedPart { part, shift, factor }
        });
        let numbers = scaled.collect();
        FittedDate { column: self.column, format: self.format, numbers, circles: self.circles }
    }
}

impl FittedDate {
    /// Encoded columns in the table: sine and cosine of each circle.
    pub(crate) fn encoded(&self) -> Option<EncodedColumns> {
        (!self.circles.is_empty()).then_some(EncodedColumns::Copy(2 * self.circles.len()))
    }

    /// Writes the columns of all rows.
    pub(super) fn apply(&self, frame: &Frame, out: &mut ExampleBuilder) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND_TRAINED_COLUMNS)?;
        let numbers: Vec<usize> = self.numbers.iter().map(|_| out.take_number()).collect();
        let at = out.take_encoded(2 * self.circles.len());
        for row in 0..frame.rows() {
            let Some(date) = date_in_row(&self.column, values, row, self.format.as_deref())? else {
                continue;
            };
            for (part, column) in self.numbers.iter().zip(&numbers) {
                out.set_dense(row, *column, (part_value(part.part, &date) - part.shift) * part.factor);
            }
            for (index, part) in self.circles.iter().enumerate() {
                let (first, length) = cycle(*part).unwrap_or((0.0, 1.0));
                let angle = (part_value(*part, &date) - first) / length * std::f64::consts::TAU;
                out.set_dense(row, at + 2 * index, angle.sin());
                out.set_dense(row, at + 2 * index + 1, angle.cos());
            }
        }
        Ok(())
    }
}

/// First value and number of values of a part that repeats; `None` for a part that does not.
fn cycle(part: DatePart) -> Option<(f64, f64)> {
    match part {
        DatePart::Month => Some((1.0, 12.0)),
        DatePart::Day => Some((1.0, 31.0)),
        DatePart::Weekday => Some((1.0, 7.0)),
        DatePart::DayOfYear => Some((1.0, 366.0)),
        DatePart::Hour => Some((0.0, 24.0)),
        DatePart::Minute => Some((0.0, 60.0)),
        DatePart::Year | DatePart::Time => None,
    }
}

fn part_value(part: DatePart, date: &DateTime) -> f64 {
    match part {
        DatePart::Year => f64::from(date.year()),
        DatePart::Month => f64::from(date.month()),
        DatePart::Day => f64::from(date.day()),
        DatePart::Weekday => f64::from(date.weekday().to_monday_one_offset()),
        DatePart::DayOfYear => f64::from(date.day_of_year()),
        DatePart::Hour => f64::from(date.hour()),
        DatePart::Minute => f64::from(date.minute()),
        DatePart::Time => clock_microseconds(*date) / 1e6,
    }
}

/// The date in a row, in the time zone that a text names, else in UTC; `None` if it is missing.
fn date_in_row(
    name: &str,
    column: &Column,
    row: usize,
    format: Option<&str>,
) -> Result<Option<DateTime>, Error> {
    let invalid = |found: String| {
        Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: match format {
            Some(format) => format!("a date as {format}"),
            None => "a date as 2024-12-31 or 2024-12-31T23:59:59".to_owned(),
        },
        found,
        remedy: "fix it, set the input's `format` (`excel` or `unix` for numbers), or leave it empty if it is missing".to_owned(),
    }
    };
    match column {
        Column::Number { values, .. } => {
            let seconds = values[row];
            if seconds.is_nan() {
                return Ok(None);
            }
            clock_at(seconds).map(Some).ok_or_else(|| invalid(seconds.to_string()))
        }
        Column::Text(_) => {
            let Some(text) = column.text(row) else { return Ok(None) };
            if is_common_marker(&text) {
                return Ok(None);
            }
            parse_date(&text, format).map(Some).ok_or_else(|| invalid(format!("`{text}`")))
        }
        Column::Bytes(_) => Err(invalid("bytes".to_owned())),
    }
}
