//! Dates and times as people and programs write them.

mod evidence;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use crate::decimal::canonical_number;

pub use self::evidence::{DateEvidence, DateGuess};

/// Name of the format of days since 1899-12-30, which spreadsheets store.
const EXCEL: &str = "excel";
/// Names of the formats of seconds, milli-, micro- and nanoseconds since 1970 in UTC, with the units in a second.
const UNIX: [(&str, i128); 4] =
    [("unix", 1), ("unix_ms", 1_000), ("unix_us", 1_000_000), ("unix_ns", 1_000_000_000)];

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
}
