//! Dates and times as numbers: their parts, or points on circles.

use cupola_spec::{DatePart, Input};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::examples::{Filling, Step};
use crate::frame::{Column, Frame, SEND};
use crate::stats::Moments;

/// A column of dates: each part as `(part - shift) * factor`, or as sine and cosine. A missing date has the
/// mean of each part, or the middle of each circle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedDate {
    /// The column.
    pub column: String,
    /// How texts are written; ISO 8601 where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The parts that are numbers.
    pub numbers: Vec<FittedPart>,
    /// The parts that are circles.
    pub circles: Vec<DatePart>,
}

/// A part of a date, standardised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FittedPart {
    /// Which one.
    pub part: DatePart,
    /// Subtracted first.
    pub shift: f64,
    /// Multiplied then.
    pub factor: f64,
}

/// Dates that are being fitted.
#[derive(Debug)]
pub(crate) struct DateFit {
    column: String,
    format: Option<String>,
    numbers: Vec<(DatePart, Moments)>,
    circles: Vec<DatePart>,
}

impl DateFit {
    pub fn new(column: &str, input: &Input) -> Self {
        let usual = vec![DatePart::Year, DatePart::Month, DatePart::Day, DatePart::Weekday];
        let parts = input.parts.clone().unwrap_or(usual);
        let round = |part: &DatePart| input.cycle == Some(true) && circle(*part).is_some();
        let (circles, numbers): (Vec<DatePart>, Vec<DatePart>) = parts.into_iter().partition(round);
        let numbers = numbers.into_iter().map(|part| (part, Moments::default())).collect();
        Self { column: column.to_owned(), format: input.format.clone(), numbers, circles }
    }

    pub fn see(&mut self, frame: &Frame) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        for row in 0..frame.rows() {
            if let Some(date) = date(&self.column, values, row, self.format.as_deref())? {
                self.numbers.iter_mut().for_each(|(part, moments)| moments.add(value(*part, &date)));
            }
        }
        Ok(())
    }

    pub fn finish(self) -> FittedDate {
        let scaled = self.numbers.into_iter().map(|(part, moments)| {
            let (shift, factor) = moments.scaling(cupola_spec::Scaling::Standard);
            FittedPart { part, shift, factor }
        });
        let numbers = scaled.collect();
        FittedDate { column: self.column, format: self.format, numbers, circles: self.circles }
    }
}

impl FittedDate {
    /// Its encoded columns: sine and cosine of each circle.
    pub(crate) fn steps(&self) -> Option<Step> {
        (!self.circles.is_empty()).then_some(Step::Copy(2 * self.circles.len()))
    }

    pub(crate) fn apply(&self, frame: &Frame, out: &mut Filling) -> Result<(), Error> {
        let values = frame.require(&self.column, SEND)?;
        let numbers: Vec<usize> = self.numbers.iter().map(|_| out.take_number()).collect();
        let at = out.take_encoded(2 * self.circles.len());
        for row in 0..frame.rows() {
            let Some(date) = date(&self.column, values, row, self.format.as_deref())? else { continue };
            for (part, at) in self.numbers.iter().zip(&numbers) {
                out.set_dense(row, *at, (value(part.part, &date) - part.shift) * part.factor);
            }
            for (index, part) in self.circles.iter().enumerate() {
                let (first, length) = circle(*part).unwrap_or((0.0, 1.0));
                let angle = (value(*part, &date) - first) / length * std::f64::consts::TAU;
                out.set_dense(row, at + 2 * index, angle.sin());
                out.set_dense(row, at + 2 * index + 1, angle.cos());
            }
        }
        Ok(())
    }
}

/// The first value of a part that comes round again, and how many there are.
fn circle(part: DatePart) -> Option<(f64, f64)> {
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

fn value(part: DatePart, date: &DateTime) -> f64 {
    match part {
        DatePart::Year => f64::from(date.year()),
        DatePart::Month => f64::from(date.month()),
        DatePart::Day => f64::from(date.day()),
        DatePart::Weekday => f64::from(date.weekday().to_monday_one_offset()),
        DatePart::DayOfYear => f64::from(date.day_of_year()),
        DatePart::Hour => f64::from(date.hour()),
        DatePart::Minute => f64::from(date.minute()),
        DatePart::Time => {
            date.to_zoned(TimeZone::UTC).map_or(0.0, |zoned| zoned.timestamp().as_microsecond() as f64 / 1e6)
        }
    }
}

/// The date of a row, in its own time zone where a text names one, else in UTC.
fn date(name: &str, column: &Column, row: usize, format: Option<&str>) -> Result<Option<DateTime>, Error> {
    let wrong = |found: String| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: match format {
            Some(format) => format!("a date as {format}"),
            None => "a date as 2024-12-31 or 2024-12-31T23:59:59".to_owned(),
        },
        found,
        remedy: "mend it, write the input's `format`, or leave it empty for missing".to_owned(),
    };
    match column {
        Column::Number { values, .. } => {
            let seconds = values[row];
            if seconds.is_nan() {
                return Ok(None);
            }
            #[allow(clippy::cast_possible_truncation)]
            let time = Timestamp::from_microsecond((seconds * 1e6).round() as i64);
            time.map(|time| Some(time.to_zoned(TimeZone::UTC).datetime()))
                .map_err(|_| wrong(seconds.to_string()))
        }
        Column::Text(_) => {
            let Some(text) = column.text(row) else { return Ok(None) };
            parsed(text.trim(), format).map(Some).ok_or_else(|| wrong(format!("`{text}`")))
        }
        Column::Bytes(_) => Err(wrong("bytes".to_owned())),
    }
}

fn parsed(text: &str, format: Option<&str>) -> Option<DateTime> {
    let Some(format) = format else {
        if let Ok(date) = text.parse::<DateTime>() {
            return Some(date);
        }
        if let Ok(zoned) = text.parse::<Zoned>() {
            return Some(zoned.datetime());
        }
        return text.parse::<Timestamp>().ok().map(|time| time.to_zoned(TimeZone::UTC).datetime());
    };
    let found = jiff::fmt::strtime::parse(format, text).ok()?;
    found.to_datetime().or_else(|_| found.to_date().map(|date| date.at(0, 0, 0, 0))).ok()
}
