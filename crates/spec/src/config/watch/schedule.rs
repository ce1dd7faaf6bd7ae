//! Cron expressions, quiet hours and offsets from UTC.

use croner::Cron;
use jiff::Timestamp;
use jiff::civil::Time;
use jiff::tz::{Offset, TimeZone};

/// Text that is no time, schedule or offset, with its remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTime(String);

/// Cron expression of five fields: minute, hour, day of the month, month, day of the week (0 and 7 are Sunday).
#[derive(Debug, Clone)]
pub struct Schedule {
    cron: Cron,
    zone: Offset,
}

impl Schedule {
    /// Parses an expression such as `0 3 * * 1`, with times in a zone.
    ///
    /// # Errors
    /// An expression that does not parse.
    pub fn parse(text: &str, zone: Offset) -> Result<Self, InvalidTime> {
        let parsed = text.parse::<Cron>();
        let cron = parsed.map_err(|error| {
            InvalidTime(format!(
                "invalid schedule `{text}`: {error}; write five fields such as \"0 3 * * 1\" for Mondays at three"
            ))
        })?;
        Ok(Self { cron, zone })
    }

    /// First time of the schedule after `time`; `None` if there is none.
    pub fn next_after(&self, time: Timestamp) -> Option<Timestamp> {
        let zoned = time.to_zoned(TimeZone::fixed(self.zone));
        Some(self.cron.find_next_occurrence(&zoned, false).ok()?.timestamp())
    }
}

/// Times of the day between which nothing begins; the end may be on the next day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuietHours {
    from: Time,
    until: Time,
    zone: Offset,
}

impl QuietHours {
    /// Parses `22:00-06:00`, with times in a zone.
    ///
    /// # Errors
    /// A text of another form, or one whose ends are equal.
    pub fn parse(text: &str, zone: Offset) -> Result<Self, InvalidTime> {
        let expected =
            || InvalidTime(format!("invalid hours `{text}`; write two times such as \"22:00-06:00\""));
        let (from, until) = text.split_once('-').ok_or_else(expected)?;
        let time = |text: &str| Time::strptime("%H:%M", text.trim()).map_err(|_| expected());
        let (from, until) = (time(from)?, time(until)?);
        if from == until { Err(expected()) } else { Ok(Self { from, until, zone }) }
    }

    /// End of the quiet hours that `time` is in; `None` if it is in none.
    pub fn end(&self, time: Timestamp) -> Option<Timestamp> {
        let local = self.zone.to_datetime(time);
        let (now, overnight) = (local.time(), self.until < self.from);
        let inside = if overnight {
            now >= self.from || now < self.until
        } else {
            now >= self.from && now < self.until
        };
        if !inside {
            return None;
        }
        let ends_tomorrow = overnight && now >= self.from;
        let day = if ends_tomorrow { local.date().tomorrow().ok()? } else { local.date() };
        self.zone.to_timestamp(day.to_datetime(self.until)).ok()
    }
}

/// Parses an offset from UTC, such as `+02:00`, `-05:30` or `UTC`.
///
/// # Errors
/// A text of another form.
pub fn parse_zone(text: &str) -> Result<Offset, InvalidTime> {
    let expected = || InvalidTime(format!("invalid offset `{text}`; write one from UTC such as \"+02:00\""));
    let text = text.trim();
    if matches!(text, "UTC" | "Z" | "utc") {
        return Ok(Offset::UTC);
    }
    let (sign, rest) = match text.split_at_checked(1).ok_or_else(expected)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return Err(expected()),
    };
    let (hours, minutes) = rest.split_once(':').unwrap_or((rest, "0"));
    let number = |text: &str, below: i32| text.parse::<i32>().ok().filter(|n| (0..below).contains(n));
    let (hours, minutes) = number(hours, 15).zip(number(minutes, 60)).ok_or_else(expected)?;
    Offset::from_seconds(sign * (hours * 3600 + minutes * 60)).map_err(|_| expected())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_schedule_follows_its_zone() {
        let next = |text: &str, zone: &str, time: &str| {
            let schedule = Schedule::parse(text, parse_zone(zone).unwrap()).unwrap();
            schedule.next_after(at(time)).unwrap().to_string()
        };
        // 2026-11-27 is a Friday.
        assert_eq!(next("0 3 * * 1", "UTC", "2026-11-27T19:00:00Z"), "2026-11-30T03:00:00Z");
        assert_eq!(next("0 3 * * 1", "+02:00", "2026-11-27T19:00:00Z"), "2026-11-30T01:00:00Z");
        // The time itself is not after it.
        assert_eq!(next("0 3 * * *", "UTC", "2026-11-27T03:00:00Z"), "2026-11-28T03:00:00Z");
        assert_eq!(next("*/15 * * * *", "UTC", "2026-11-27T03:01:00Z"), "2026-11-27T03:15:00Z");
        for text in ["", "0 3 * *", "61 * * * *", "monthly-ish", "0 25 * * *"] {
            let error = Schedule::parse(text, Offset::UTC).unwrap_err().to_string();
            assert!(error.contains("write five fields"), "{error}");
        }
    }

    #[test]
    fn quiet_hours_end_on_the_next_day() {
        let end = |text: &str, time: &str| {
            let quiet = QuietHours::parse(text, parse_zone("+01:00").unwrap()).unwrap();
            quiet.end(at(time)).map(|end| end.to_string())
        };
        assert_eq!(end("22:00-06:00", "2026-11-27T21:30:00Z").as_deref(), Some("2026-11-28T05:00:00Z"));
        assert_eq!(end("22:00-06:00", "2026-11-28T02:00:00Z").as_deref(), Some("2026-11-28T05:00:00Z"));
        assert_eq!(end("22:00-06:00", "2026-11-28T05:00:00Z"), None);
        assert_eq!(end("09:00-17:00", "2026-11-28T08:00:00Z").as_deref(), Some("2026-11-28T16:00:00Z"));
        assert_eq!(end("09:00-17:00", "2026-11-28T16:00:00Z"), None);
        for text in ["", "22:00", "22-6", "25:00-06:00", "06:00-06:00"] {
            assert!(QuietHours::parse(text, Offset::UTC).is_err(), "{text}");
        }
    }

    #[test]
    fn zones_are_offsets() {
        let seconds = |text: &str| parse_zone(text).map(Offset::seconds).ok();
        assert_eq!(seconds("+02:00"), Some(7200));
        assert_eq!(seconds("-05:30"), Some(-19800));
        assert_eq!(seconds("+2"), Some(7200));
        assert_eq!(seconds("UTC"), Some(0));
        for text in ["", "2", "Europe/Berlin", "+99:00", "+02:61", "+-2:00", "é"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
