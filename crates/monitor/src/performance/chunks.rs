//! Division of rows into chunks.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Number of chunks where nothing is said.
const DEFAULT_CHUNKS: usize = 10;

/// Division of rows into chunks, in the order of time if rows have times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Chunking {
    /// Chunks of so many rows; the rest is a smaller chunk.
    Size(usize),
    /// So many chunks of equal size; the rest is a smaller chunk.
    Count(usize),
    /// A chunk for each period of the calendar (UTC) that has rows.
    Period(ChunkPeriod),
}

/// Period of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChunkPeriod {
    /// Hour.
    Hour,
    /// Day.
    Day,
    /// Week from Monday to Sunday.
    Week,
    /// Month.
    Month,
    /// Quarter of a year.
    Quarter,
    /// Year.
    Year,
}

impl Default for Chunking {
    fn default() -> Self {
        Self::Count(DEFAULT_CHUNKS)
    }
}

impl std::str::FromStr for Chunking {
    type Err = Error;

    /// `size:500`, `count:10`, or a period: `hour`, `day`, `week`, `month`, `quarter`, `year`.
    fn from_str(text: &str) -> Result<Self, Error> {
        let unknown = || Error::UnknownChunking(text.chars().take(40).collect());
        if let Some((kind, number)) = text.split_once(':') {
            let number = number.parse().ok().filter(|number| *number > 0).ok_or_else(unknown)?;
            return match kind {
                "size" => Ok(Self::Size(number)),
                "count" => Ok(Self::Count(number)),
                _ => Err(unknown()),
            };
        }
        let period = match text {
            "hour" => ChunkPeriod::Hour,
            "day" => ChunkPeriod::Day,
            "week" => ChunkPeriod::Week,
            "month" => ChunkPeriod::Month,
            "quarter" => ChunkPeriod::Quarter,
            "year" => ChunkPeriod::Year,
            _ => return Err(unknown()),
        };
        Ok(Self::Period(period))
    }
}

/// Rows of a chunk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChunkRows {
    /// Name: `[first:last]` of the rows in order of time, or the period.
    pub key: String,
    /// Numbers of the rows, from 0.
    pub rows: Vec<usize>,
}

impl Chunking {
    /// Divides `rows` rows. With times the rows are ordered by them first, equal times in their own order; rows without a
    /// time come last, and belong to no period.
    ///
    /// # Errors
    /// [`Error::NoTimes`] for periods without times, [`Error::MismatchedRows`].
    pub fn split(&self, rows: usize, times: Option<&[Option<Timestamp>]>) -> Result<Vec<ChunkRows>, Error> {
        if let Some(times) = times
            && times.len() != rows
        {
            return Err(Error::MismatchedRows { expected: rows, found: times.len() });
        }
        let mut order: Vec<usize> = (0..rows).collect();
        if let Some(times) = times {
            order.sort_by_key(|row| times[*row].map_or((1, Timestamp::MIN), |time| (0, time)));
        }
        match self {
            Self::Size(size) => Ok(of_size(&order, *size)),
            Self::Count(count) => Ok(of_size(&order, rows / (*count).max(1))),
            Self::Period(period) => Ok(of_period(&order, times.ok_or(Error::NoTimes)?, *period)),
        }
    }
}

fn of_size(order: &[usize], size: usize) -> Vec<ChunkRows> {
    let size = size.max(1);
    let chunk = |(index, rows): (usize, &[usize])| {
        let first = index * size;
        ChunkRows { key: format!("[{first}:{}]", first + rows.len() - 1), rows: rows.to_vec() }
    };
    order.chunks(size).enumerate().map(chunk).collect()
}

fn of_period(order: &[usize], times: &[Option<Timestamp>], period: ChunkPeriod) -> Vec<ChunkRows> {
    let mut periods: BTreeMap<(Date, i8), Vec<usize>> = BTreeMap::new();
    for &row in order {
        if let Some(time) = times[row] {
            periods.entry(start(time, period)).or_default().push(row);
        }
    }
    let chunk = |(start, rows)| ChunkRows { key: key(start, period), rows };
    periods.into_iter().map(chunk).collect()
}

/// First day and hour of the period that a time lies in.
fn start(time: Timestamp, period: ChunkPeriod) -> (Date, i8) {
    let time = TimeZone::UTC.to_datetime(time);
    let date = time.date();
    let month = |month: i8| Date::new(date.year(), month, 1).unwrap_or(date);
    let first = match period {
        ChunkPeriod::Hour => return (date, time.hour()),
        ChunkPeriod::Day => date,
        ChunkPeriod::Week => {
            let since_monday = i64::from(date.weekday().to_monday_zero_offset());
            date.checked_sub(jiff::Span::new().days(since_monday)).unwrap_or(date)
        }
        ChunkPeriod::Month => month(date.month()),
        ChunkPeriod::Quarter => month((date.month() - 1) / 3 * 3 + 1),
        ChunkPeriod::Year => month(1),
    };
    (first, 0)
}

fn key((date, hour): (Date, i8), period: ChunkPeriod) -> String {
    match period {
        ChunkPeriod::Hour => format!("{date} {hour:02}:00"),
        ChunkPeriod::Day => date.to_string(),
        ChunkPeriod::Week => {
            let last = date.checked_add(jiff::Span::new().days(6)).unwrap_or(date);
            format!("{date}/{last}")
        }
        ChunkPeriod::Month => format!("{:04}-{:02}", date.year(), date.month()),
        ChunkPeriod::Quarter => format!("{:04}Q{}", date.year(), (date.month() - 1) / 3 + 1),
        ChunkPeriod::Year => format!("{:04}", date.year()),
    }
}
