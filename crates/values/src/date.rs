//! Dates and times as people and programs write them.

use std::collections::BTreeMap;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::decimal::canonical_number;
use crate::missing::is_common_marker;

/// Begin of the year 1970.
const EPOCH: DateTime = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
/// Name of the format of days since 1899-12-30, which spreadsheets store.
const EXCEL: &str = "excel";
/// Names of the formats of seconds, milli-, micro- and nanoseconds since 1970 in UTC, with the units in a second.
const UNIX: [(&str, i128); 4] =
    [("unix", 1), ("unix_ms", 1_000), ("unix_us", 1_000_000), ("unix_ns", 1_000_000_000)];
/// Order of day, month and year, with the separators of each.
const ORDERS: [(&str, &str); 17] = [
    ("%Y/%m/%d", ""),
    ("%Y.%m.%d", ""),
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%d/%m/%y", "%m/%d/%y"),
    ("%d-%m-%Y", "%m-%d-%Y"),
    ("%d-%m-%y", "%m-%d-%y"),
    ("%d.%m.%Y", ""),
    ("%d.%m.%y", ""),
    ("%d %b %Y", ""),
    ("%d-%b-%Y", ""),
    ("%d-%b-%y", ""),
    ("%b %d, %Y", ""),
    ("%b %d %Y", ""),
    ("%B %d, %Y", ""),
    ("%B %d %Y", ""),
    ("%d %B %Y", ""),
    ("%Y年%m月%d日", ""),
];
/// Time of day after the date.
const TIMES: [&str; 5] = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"];
/// Formats of programs, with the time: RFC 2822, C, and the log of a web server.
const WHOLE: [&str; 8] = [
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S GMT",
    "%a %b %d %H:%M:%S %Y",
    "%A, %d %B %Y",
    "%A, %B %d, %Y",
    "%d/%b/%Y:%H:%M:%S %z",
    "%d/%b/%Y",
    "%Y/%m/%d %H:%M:%S %z",
];
/// Texts that no format reads, above a share of the others, from which on a column holds no dates.
const MAX_OTHERS: usize = 20;
/// Fewest dates of a column with a few other texts.
const MANY: usize = 20;

/// Date and time in the zone that a text names, without that zone; `None` for a text that is not a date.
///
/// Without a `format`, ISO 8601 is read, with a `T` or a blank before the time, with or without an offset or zone.
/// `format` is `strptime`'s (two-digit years are 1969 to 2068), or `excel`, `unix`, `unix_ms`, `unix_us`, `unix_ns` for
/// numbers.
pub fn parse_date(text: &str, format: Option<&str>) -> Option<DateTime> {
    let text = text.trim();
    let Some(format) = format else { return parse_iso(text) };
    if format == EXCEL {
        return excel_date(text);
    }
    if let Some((_, units)) = UNIX.iter().find(|(name, _)| *name == format) {
        return unix_date(text, *units);
    }
    let found = jiff::fmt::strtime::parse(format, text).ok()?;
    let date = found.to_datetime().or_else(|_| found.to_date().map(|date| date.at(0, 0, 0, 0))).ok()?;
    // `%Y` takes a year of two digits for one of antiquity, and `%y` a single digit.
    let day = text.split(' ').next().unwrap_or_default().as_bytes();
    let two_digits = day.len() > 2 && day[day.len() - 2..].iter().all(u8::is_ascii_digit);
    ((date.year() >= 1000 || !format.contains("%Y")) && (two_digits || !format.contains("%y")))
        .then_some(date)
}

/// Seconds from 1970 to a clock on the wall, up to the last day of the year 9999.
pub fn clock_seconds(clock: DateTime) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "dates are numbers of seconds")]
    let nanoseconds = clock.duration_since(EPOCH).as_nanos() as f64;
    nanoseconds / 1e9
}

/// Whole microseconds from 1970 to a clock on the wall.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^59")]
pub fn clock_microseconds(clock: DateTime) -> f64 {
    clock.duration_since(EPOCH).as_micros() as f64
}

/// Clock on the wall at a number of seconds from 1970; `None` beyond the years that have four digits.
pub fn clock_at(seconds: f64) -> Option<DateTime> {
    #[allow(clippy::cast_possible_truncation, reason = "a cast of floats saturates")]
    let microseconds = (seconds * 1e6).round() as i64;
    EPOCH.checked_add(jiff::SignedDuration::from_micros(microseconds)).ok()
}

fn parse_iso(text: &str) -> Option<DateTime> {
    if !text.as_bytes().get(..4)?.iter().all(u8::is_ascii_digit) {
        return None;
    }
    // A compact date such as 20241231 is a number to every other reader.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    if let Ok(zoned) = text.parse::<Zoned>() {
        return Some(zoned.datetime());
    }
    let text = text.strip_suffix(" UTC").or_else(|| text.strip_suffix(" GMT")).unwrap_or(text);
    if let Some((local, offset)) = split_offset(text) {
        // Checked as an instant, then read as the clock on that place's wall.
        return format!("{local}{offset}").parse::<Timestamp>().ok().and(local.parse().ok());
    }
    text.parse::<DateTime>().ok()
}

/// Local time and offset of a text such as `2024-03-05T09:00:00-05:00`.
fn split_offset(text: &str) -> Option<(&str, &str)> {
    let time = text.find(['T', 't', ' '])?;
    let at = text[time..].find(['Z', 'z', '+', '-']).map(|at| at + time)?;
    Some((text[..at].trim_end(), &text[at..]))
}

fn excel_date(text: &str) -> Option<DateTime> {
    let days: f64 = text.parse().ok()?;
    // 9999-12-31.
    if !(0.0..2_958_466.0).contains(&days) {
        return None;
    }
    #[allow(clippy::cast_possible_truncation, reason = "in range")]
    let milliseconds = (days * 86_400_000.0).round() as i64;
    let start = jiff::civil::date(1899, 12, 30).at(0, 0, 0, 0);
    start.checked_add(jiff::SignedDuration::from_millis(milliseconds)).ok()
}

fn unix_date(text: &str, units: i128) -> Option<DateTime> {
    let nanoseconds = match canonical_number(text)?.parse::<i128>() {
        Ok(whole) => whole.checked_mul(1_000_000_000 / units)?,
        Err(_) => fraction_nanoseconds(text, units)?,
    };
    Timestamp::from_nanosecond(nanoseconds).ok().map(|time| time.to_zoned(TimeZone::UTC).datetime())
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "the range is checked afterwards"
)]
fn fraction_nanoseconds(text: &str, units: i128) -> Option<i128> {
    let value: f64 = text.parse().ok()?;
    let microseconds = (value * 1e6 / units as f64).round();
    (microseconds.abs() < 1e18).then(|| microseconds as i128 * 1000)
}

/// Format of a column of dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateGuess {
    /// ISO 8601.
    Iso,
    /// A `strptime` format.
    Format(String),
    /// Day and month may be either way round.
    Ambiguous {
        /// One of the texts.
        example: String,
        /// The two formats.
        formats: [String; 2],
    },
    /// At least nine of ten texts are dates in one format.
    Mostly {
        /// First row with another text, counted from 0.
        first: usize,
        /// Text of that row.
        text: String,
        /// Number of such texts.
        others: usize,
        /// Number of dates.
        dates: usize,
    },
    /// The texts are not dates, or not all in one format.
    Texts,
}

/// Texts of one column so far, as far as they decide the format of its dates.
#[derive(Debug, Clone, Default)]
pub struct DateEvidence {
    /// Formats that all dates have so far; `None` before the first text.
    formats: Option<Vec<CandidateFormat>>,
    example: Option<String>,
    /// Number of texts that have these formats.
    dates: usize,
    /// Number of other texts, and the first one with its row.
    others: usize,
    first_other: Option<(usize, String)>,
    /// Common markers of missing values, with the number of times.
    markers: BTreeMap<String, usize>,
}

/// Format, and the order of its day and month; `None` for ISO 8601.
type CandidateFormat = (Option<String>, &'static str);

impl DateEvidence {
    /// Adds the text of a row.
    pub fn observe(&mut self, text: &str, row: usize) {
        // Most columns are no dates, which their first rows show.
        if self.formats.as_ref().is_some_and(Vec::is_empty) {
            return;
        }
        let text = text.trim();
        if is_common_marker(text) {
            *self.markers.entry(text.to_owned()).or_default() += 1;
            return;
        }
        let formats = self.formats.get_or_insert_with(all_formats);
        // Every format has a digit, and at least six characters.
        let possible = (6..=64).contains(&text.len()) && text.bytes().any(|byte| byte.is_ascii_digit());
        let fits = |(format, _): &CandidateFormat| possible && parse_date(text, format.as_deref()).is_some();
        let fitting: Vec<bool> = formats.iter().map(fits).collect();
        if fitting.contains(&true) {
            let mut fitting = fitting.into_iter();
            formats.retain(|_| fitting.next().unwrap_or(false));
            self.dates += 1;
            self.example.get_or_insert_with(|| text.to_owned());
            return;
        }
        self.others += 1;
        self.first_other.get_or_insert_with(|| (row, text.to_owned()));
        if self.others > MAX_OTHERS + self.dates / 8 {
            formats.clear();
        }
    }

    /// Common markers of missing values among the texts, with the number of times.
    pub fn markers(&self) -> Vec<(String, usize)> {
        self.markers.iter().map(|(text, count)| (text.clone(), *count)).collect()
    }

    /// Decides; `day_first` is the order that the user declared.
    pub fn decide(&self, day_first: Option<bool>) -> DateGuess {
        let formats = self.formats.as_deref().unwrap_or_default();
        if self.dates == 0 || formats.is_empty() {
            return DateGuess::Texts;
        }
        if let Some((first, text)) = &self.first_other {
            if self.dates < MANY || self.others * 9 > self.dates {
                return DateGuess::Texts;
            }
            let (text, others, dates) = (text.clone(), self.others, self.dates);
            return DateGuess::Mostly { first: *first, text, others, dates };
        }
        match formats {
            [] => DateGuess::Texts,
            [(None, _), ..] => DateGuess::Iso,
            [(Some(first), order), rest @ ..] => {
                let swapped = ORDERS.iter().find(|(day, month)| day == order && !month.is_empty());
                let other = swapped.and_then(|(_, month)| rest.iter().find(|(_, other)| other == month));
                let other = other.and_then(|(format, _)| format.clone());
                match (other, day_first) {
                    // The order with the day first stands first.
                    (Some(second), Some(false)) => DateGuess::Format(second),
                    (Some(second), None) => DateGuess::Ambiguous {
                        example: self.example.clone().unwrap_or_default(),
                        formats: [first.clone(), second],
                    },
                    (None, _) | (Some(_), Some(true)) => DateGuess::Format(first.clone()),
                }
            }
        }
    }
}

/// All formats with their order of day and month; ISO 8601 first.
fn all_formats() -> Vec<CandidateFormat> {
    let mut all = vec![(None, "")];
    for (first, second) in ORDERS {
        for order in [first, second].into_iter().filter(|order| !order.is_empty()) {
            all.extend(TIMES.iter().map(|time| (Some(format!("{order}{time}")), order)));
        }
    }
    all.extend(WHOLE.iter().map(|format| (Some((*format).to_owned()), *format)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str, format: Option<&str>) -> Option<String> {
        parse_date(text, format).map(|date| date.to_string())
    }

    #[test]
    fn texts_keep_the_clock_of_their_own_zone() {
        for (text, expected) in [
            ("2024-03-05", Some("2024-03-05T00:00:00")),
            ("2024-03-05T09:00:00", Some("2024-03-05T09:00:00")),
            ("2024-03-05 09:00", Some("2024-03-05T09:00:00")),
            ("2024-03-05T09:00:00-05:00", Some("2024-03-05T09:00:00")),
            ("2024-03-05 09:00:00+02:00", Some("2024-03-05T09:00:00")),
            ("2024-03-05T09:00:00Z", Some("2024-03-05T09:00:00")),
            ("2024-03-05T09:00:00.123456789-05:00", Some("2024-03-05T09:00:00.123456789")),
            // Both sides of the change to daylight saving time.
            ("2024-03-10T01:30:00-05:00[America/New_York]", Some("2024-03-10T01:30:00")),
            ("2024-03-10T03:30:00-04:00", Some("2024-03-10T03:30:00")),
            ("2024-13-05", None),
            ("20240305", None),
            ("1709629200", None),
            ("yesterday", None),
            ("", None),
            ("2024", None),
        ] {
            if text.contains('[') && TimeZone::get("America/New_York").is_err() {
                continue;
            }
            assert_eq!(shown(text, None).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn clocks_are_seconds_up_to_the_last_day() {
        for text in
            ["1970-01-01T00:00:00", "9999-12-31T00:00:00", "9999-12-31T23:59:59", "1969-12-31T23:59:58.5"]
        {
            let clock = parse_date(text, None).unwrap();
            assert_eq!(clock_at(clock_seconds(clock)), Some(clock), "{text}");
        }
        assert!((clock_seconds(parse_date("1970-01-02", None).unwrap()) - 86_400.0).abs() < 1e-9);
        assert_eq!((clock_at(1e15), clock_at(f64::INFINITY)), (None, None));
    }

    #[test]
    fn numbers_are_dates_by_their_declared_unit() {
        for (text, format, expected) in [
            ("45356", "excel", Some("2024-03-05T00:00:00")),
            ("45356.375", "excel", Some("2024-03-05T09:00:00")),
            ("1709629200", "unix", Some("2024-03-05T09:00:00")),
            ("1709629200.0", "unix", Some("2024-03-05T09:00:00")),
            ("1709629200000", "unix_ms", Some("2024-03-05T09:00:00")),
            ("1709629200123456789", "unix_ns", Some("2024-03-05T09:00:00.123456789")),
            ("-1", "excel", None),
            ("1e300", "unix", None),
            ("soon", "unix", None),
        ] {
            assert_eq!(shown(text, Some(format)).as_deref(), expected, "{text} {format}");
        }
        assert_eq!(shown("05/03/68", Some("%d/%m/%y")).as_deref(), Some("2068-03-05T00:00:00"));
        assert_eq!(shown("05/03/69", Some("%d/%m/%y")).as_deref(), Some("1969-03-05T00:00:00"));
    }

    #[test]
    fn a_format_is_found_or_the_two_that_are_possible_are_named() {
        let guess = |texts: &[&str]| {
            let mut evidence = DateEvidence::default();
            texts.iter().enumerate().for_each(|(row, text)| evidence.observe(text, row));
            evidence.decide(None)
        };
        let format = |format: &str| DateGuess::Format(format.to_owned());
        assert_eq!(guess(&["2024-03-05", "2024-12-31T23:59:59"]), DateGuess::Iso);
        assert_eq!(guess(&["05/03/2024", "31/12/2024"]), format("%d/%m/%Y"));
        assert_eq!(guess(&["05/03/2024", "12/31/2024"]), format("%m/%d/%Y"));
        assert_eq!(guess(&["5/3/24", "31/12/24"]), format("%d/%m/%y"));
        assert_eq!(guess(&["05.03.2024 09:15"]), format("%d.%m.%Y %H:%M"));
        assert_eq!(guess(&["5 Mar 2024"]), format("%d %b %Y"));
        assert_eq!(guess(&["Jan 1 2000", "Dec 31 2000"]), format("%b %d %Y"));
        let formats = ["%d/%m/%Y".to_owned(), "%m/%d/%Y".to_owned()];
        assert_eq!(
            guess(&["05/03/2024"]),
            DateGuess::Ambiguous { example: "05/03/2024".to_owned(), formats }
        );
        let mut evidence = DateEvidence::default();
        evidence.observe("05/03/2024", 0);
        assert_eq!(evidence.decide(Some(true)), format("%d/%m/%Y"));
        assert_eq!(evidence.decide(Some(false)), format("%m/%d/%Y"));
        for texts in [&["05/03/2024", "x1x1x1"][..], &["123456"], &["12.5.1"], &["soon"], &[""], &[]] {
            assert_eq!(guess(texts), DateGuess::Texts, "{texts:?}");
        }
    }

    #[test]
    fn dates_of_programs_have_their_formats() {
        for (text, format) in [
            ("Wed, 05 Jul 2023 05:35:00 +0000", "%a, %d %b %Y %H:%M:%S %z"),
            ("Wed, 05 Jul 2023 05:35:00 GMT", "%a, %d %b %Y %H:%M:%S GMT"),
            ("Wed Jul  5 05:35:00 2023", "%a %b %d %H:%M:%S %Y"),
            ("05/Jul/2023:05:35:00 +0200", "%d/%b/%Y:%H:%M:%S %z"),
            ("07/25/2023 05:35:00 AM", "%m/%d/%Y %I:%M:%S %p"),
            ("2023年7月5日", "%Y年%m月%d日"),
            // Short and long name are the same.
            ("12 May 2024", "%d %b %Y"),
        ] {
            let mut evidence = DateEvidence::default();
            evidence.observe(text, 0);
            assert_eq!(evidence.decide(None), DateGuess::Format(format.to_owned()), "{text}");
            assert!(parse_date(text, Some(format)).is_some(), "{text}");
        }
        assert_eq!(shown("2023-07-05 05:35:00 UTC", None).as_deref(), Some("2023-07-05T05:35:00"));
    }

    #[test]
    fn markers_are_missing_and_a_few_other_texts_are_named() {
        let mut evidence = DateEvidence::default();
        (1..=28).for_each(|day| evidence.observe(&format!("2024-01-{day:02}"), day));
        evidence.observe("N/A", 29);
        assert_eq!(
            (evidence.decide(None), evidence.markers()),
            (DateGuess::Iso, vec![("N/A".to_owned(), 1)])
        );
        evidence.observe("0000-00-00", 30);
        evidence.observe("soon", 31);
        let text = "0000-00-00".to_owned();
        assert_eq!(evidence.decide(None), DateGuess::Mostly { first: 30, text, others: 2, dates: 28 });
        (0..9).for_each(|row| evidence.observe("never", row));
        assert_eq!(evidence.decide(None), DateGuess::Texts);
    }
}
