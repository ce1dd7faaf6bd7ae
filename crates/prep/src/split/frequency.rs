//! Distance of the rows of a series, from which the times of a forecast follow.

use std::fmt;

use cupola_values::{clock_at, number_text};
use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime;
use jiff::{SignedDuration, Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::series_order::{SeriesOrder, SeriesRows};
use super::steps::{DAY, is_close, most_frequent, weekday};
use super::times::of_civil;
use crate::frame::{Column, Frame};

/// Share of the steps that must have the usual length.
const USUAL_SHARE: f64 = 0.5;
/// Spellings of a time that a forecast continues.
const SPELLINGS: [&str; 10] = [
    "%Y-%m",
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%dT%H:%M:%SZ",
    "%Y/%m/%d %H:%M",
    "%Y/%m/%d %H:%M:%S",
];
/// Spelling of a time in any other form.
const ISO: &str = "%Y-%m-%dT%H:%M:%S";

/// Usual step from a row of a series to the next.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "unit", rename_all = "snake_case")]
pub enum Frequency {
    /// Numbers without a unit.
    Number {
        /// Difference of two numbers.
        step: f64,
    },
    /// Time of equal length.
    Seconds {
        /// Seconds between two rows.
        step: f64,
    },
    /// Days from Monday to Friday.
    Weekdays,
    /// Months, on the same day of each or on the last one.
    Months {
        /// Months between two rows.
        step: i32,
        /// `true` for the last day of each month.
        last_day: bool,
    },
}

impl Frequency {
    /// Step that at least half of the rows have; `None` without a column of times, or where no step is usual.
    pub(crate) fn of(found: &SeriesRows) -> Option<Self> {
        let times = found.times.as_ref()?;
        let steps = || {
            let pairs = found.series.iter().flat_map(|one| one.rows.windows(2));
            pairs.map(|pair| times.values[pair[1]] - times.values[pair[0]])
        };
        let usual = most_frequent(steps()).filter(|step| *step > 0.0)?;
        let of_series = || found.series.iter().flat_map(|one| &one.rows).map(|&row| times.values[row]);
        if times.dates
            && let Some(months) = months(usual)
            && steps().filter(|step| self::months(*step) == Some(months)).count() * 2 > steps().count()
        {
            let clocks: Option<Vec<DateTime>> = of_series().map(clock_at).collect();
            let clocks = clocks?;
            let last_day = clocks.iter().all(|clock| clock.date() == clock.date().last_of_month());
            if last_day || clocks.windows(2).all(|pair| pair[0].day() == pair[1].day()) {
                return Some(Self::Months { step: months, last_day });
            }
        }
        let weekdays = times.dates
            && is_close(usual, DAY)
            && of_series().all(|time| weekday(time) < 5)
            && steps().any(|step| is_close(step, 3.0 * DAY));
        if weekdays {
            return Some(Self::Weekdays);
        }
        let (all, usual_ones) = (steps().count(), steps().filter(|step| is_close(*step, usual)).count());
        #[allow(clippy::cast_precision_loss, reason = "counts of rows")]
        let is_usual = usual_ones as f64 >= USUAL_SHARE * all as f64;
        match (is_usual, times.dates) {
            (false, _) => None,
            (true, true) => Some(Self::Seconds { step: usual }),
            (true, false) => Some(Self::Number { step: usual }),
        }
    }

    /// `true` for steps with which every time has the same time of day.
    fn is_whole_days(self) -> bool {
        match self {
            Self::Seconds { step } => is_close((step / DAY).round() * DAY, step) && step >= DAY,
            Self::Weekdays | Self::Months { .. } => true,
            Self::Number { .. } => false,
        }
    }

    /// Time `steps` after another.
    fn after(self, clock: DateTime, steps: usize) -> Option<DateTime> {
        let count = i32::try_from(steps).ok()?;
        match self {
            Self::Seconds { step } => {
                #[allow(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
                let microseconds = (step * f64::from(count) * 1e6).round() as i64;
                clock.checked_add(SignedDuration::from_micros(microseconds)).ok()
            }
            Self::Months { step, last_day } => {
                let moved = clock.checked_add(step.checked_mul(count)?.months()).ok()?;
                Some(if last_day { moved.date().last_of_month().to_datetime(moved.time()) } else { moved })
            }
            Self::Weekdays => {
                let mut day = clock;
                for _ in 0..steps {
                    day = day.tomorrow().ok()?;
                    while day.weekday().to_monday_zero_offset() > 4 {
                        day = day.tomorrow().ok()?;
                    }
                }
                Some(day)
            }
            Self::Number { .. } => None,
        }
    }

    /// The `horizon` times after another: seconds since 1970, or numbers for steps without a unit. `None` beyond the years
    /// that have four digits.
    pub(crate) fn seconds_after(self, time: f64, horizon: usize) -> Option<Vec<f64>> {
        if let Self::Number { step } = self {
            #[allow(clippy::cast_precision_loss, reason = "steps of a forecast")]
            let at = |ahead: usize| time + step * ahead as f64;
            return Some((1..=horizon).map(at).collect());
        }
        let clock = clock_at(time)?;
        (1..=horizon).map(|ahead| self.after(clock, ahead).and_then(of_civil)).collect()
    }

    /// The `horizon` times after the one in a row, written as that one is; `None` if the row has no readable time.
    pub(crate) fn times_after(
        self,
        order: &SeriesOrder,
        frame: &Frame,
        row: usize,
        time: f64,
        horizon: usize,
    ) -> Option<Vec<String>> {
        let column = frame.get(order.time.as_ref()?)?;
        if let Self::Number { step } = self {
            #[allow(clippy::cast_precision_loss, reason = "steps of a forecast")]
            let at = |ahead: usize| number_text(time + step * ahead as f64);
            return Some((1..=horizon).map(at).collect());
        }
        let clock = clock_at(time)?;
        let text = column.text(row)?;
        let declared = order.format.as_deref().filter(|format| format.contains('%'));
        let is_number = matches!(column, Column::Number { time: true, .. });
        let same = |spelling: &&str| strtime::format(spelling, clock).is_ok_and(|own| own == text.trim());
        let compact = (text.len() == 8).then_some("%Y%m%d").filter(same);
        // A text with an offset is an instant, which goes on in UTC.
        let other = if text.trim().parse::<Timestamp>().is_ok() { "%Y-%m-%dT%H:%M:%SZ" } else { ISO };
        let spelling = match (declared, is_number) {
            (Some(declared), _) => declared,
            (None, true) if self.is_whole_days() && clock.time() == Time::midnight() => "%Y-%m-%d",
            (None, true) => ISO,
            (None, false) => compact.or_else(|| SPELLINGS.into_iter().find(same)).unwrap_or(other),
        };
        // A date alone cannot tell the hours of a day apart.
        let spelling = if self.is_whole_days() || spelling.contains("%H") { spelling } else { ISO };
        let written =
            |clock: DateTime| strtime::format(spelling, clock).or_else(|_| strtime::format(ISO, clock)).ok();
        let at = |ahead: usize| self.after(clock, ahead).and_then(written);
        (1..=horizon).map(at).collect()
    }
}

/// Number of months, quarters or years that a step in seconds may be; `None` for another step.
fn months(step: f64) -> Option<i32> {
    let days = step / DAY;
    [(1, 28.0, 31.0), (3, 90.0, 92.0), (6, 181.0, 184.0), (12, 365.0, 366.0)]
        .into_iter()
        .find(|(_, low, high)| (*low..=*high).contains(&days))
        .map(|(months, ..)| months)
}

impl fmt::Display for Frequency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, unit) = match self {
            Self::Number { step } => return write!(f, "{step}"),
            Self::Weekdays => return f.write_str("1 working day"),
            Self::Months { step, .. } if step % 12 == 0 => (f64::from(step / 12), "year"),
            Self::Months { step, .. } => (f64::from(*step), "month"),
            Self::Seconds { step } => {
                let units = [(7.0 * DAY, "week"), (DAY, "day"), (3600.0, "hour"), (60.0, "minute")];
                let whole =
                    |(unit, _): &&(f64, &str)| step >= unit && is_close((step / unit).round() * unit, *step);
                let (unit, name) = units.iter().find(whole).copied().unwrap_or((1.0, "second"));
                (step / unit, name)
            }
        };
        write!(f, "{count} {unit}{}", if is_close(count, 1.0) { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn continued(texts: &[&str], format: Option<&str>) -> (String, Vec<String>) {
        let order =
            SeriesOrder { time: Some("t".to_owned()), format: format.map(str::to_owned), keys: Vec::new() };
        let frame = Frame::default().with("t", Column::texts(texts.iter().map(Some)));
        let found = order.rows(&frame).unwrap();
        let frequency = Frequency::of(&found).unwrap();
        let last = *found.series[0].rows.last().unwrap();
        let time = found.times.unwrap().values[last];
        let ahead = frequency.times_after(&order, &frame, last, time, 2).unwrap();
        let written = Frame::default().with("t", Column::texts(ahead.iter().map(Some)));
        let read = order.rows(&written).unwrap().times.unwrap().values;
        assert_eq!(frequency.seconds_after(time, 2).unwrap(), read, "{texts:?}");
        (frequency.to_string(), ahead)
    }

    #[test]
    fn times_go_on_in_their_own_spelling() {
        for (texts, format, step, ahead) in [
            (&["2024-02-27", "2024-02-28"][..], None, "1 day", ["2024-02-29", "2024-03-01"]),
            (&["2024-01-31", "2024-02-29", "2024-03-31"][..], None, "1 month", ["2024-04-30", "2024-05-31"]),
            (&["2023-11", "2023-12"][..], None, "1 month", ["2024-01", "2024-02"]),
            (&["2022-10-01", "2023-01-01", "2023-04-01"][..], None, "3 months", ["2023-07-01", "2023-10-01"]),
            (&["2020-02-29", "2021-02-28"][..], None, "1 year", ["2022-02-28", "2023-02-28"]),
            (
                &[
                    "2024-01-04",
                    "2024-01-05",
                    "2024-01-08",
                    "2024-01-09",
                    "2024-01-10",
                    "2024-01-11",
                    "2024-01-12",
                ][..],
                None,
                "1 working day",
                ["2024-01-15", "2024-01-16"],
            ),
            (
                &["2016-10-01 22:00:00", "2016-10-01 23:00:00"][..],
                None,
                "1 hour",
                ["2016-10-02 00:00:00", "2016-10-02 01:00:00"],
            ),
            (
                &["2024-01-01T00:00:00Z", "2024-01-01T00:10:00Z"][..],
                None,
                "10 minutes",
                ["2024-01-01T00:20:00Z", "2024-01-01T00:30:00Z"],
            ),
            (&["31.12.2023", "01.01.2024"][..], Some("%d.%m.%Y"), "1 day", ["02.01.2024", "03.01.2024"]),
            (&["20231230", "20231231"][..], None, "1 day", ["20240101", "20240102"]),
            (&["1", "3", "5"][..], None, "2", ["7", "9"]),
        ] {
            let (found, times) = continued(texts, format);
            assert_eq!((found.as_str(), times), (step, ahead.map(str::to_owned).to_vec()), "{texts:?}");
        }
    }

    #[test]
    fn steps_without_a_rule_have_no_frequency() {
        let order = SeriesOrder { time: Some("t".to_owned()), format: None, keys: Vec::new() };
        let frame = Frame::default().with("t", Column::texts(["1", "2", "5", "11", "30"].map(Some)));
        assert_eq!(Frequency::of(&order.rows(&frame).unwrap()), None);
        assert_eq!(Frequency::of(&SeriesRows::single(5)), None);
    }
}
