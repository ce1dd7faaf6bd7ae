//! Types of CSV fields: only plain values are typed, everything else is the exact text.

use arrow::datatypes::{DataType, TimeUnit};

/// Narrowest type of the values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::read) enum FieldType {
    /// No value so far.
    Unknown,
    /// `-?(0|[1-9][0-9]*)` within 64 bits.
    Integer,
    /// The same with a fraction or an exponent.
    Real,
    /// `true` or `false` in any case.
    Boolean,
    /// `2024-02-29`
    Date,
    /// `2024-02-29 12:30:00.5`, without a zone.
    Time(TimeUnit),
    /// Exact text.
    Text,
}

impl FieldType {
    /// Type of one value without blanks around it. `points` is `false` if a point is not the decimal mark.
    pub fn of(text: &str, points: bool) -> Self {
        match number_shape(text.as_bytes()) {
            Some(Shape::Integer) if parse_integer(text).is_some() => Self::Integer,
            Some(Shape::Real) if points && parse_real(text).is_some() => Self::Real,
            Some(_) => Self::Text,
            None if parse_boolean(text).is_some() => Self::Boolean,
            None => match parse_time(text) {
                Some(time) if time.is_date => Self::Date,
                Some(time) => Self::Time(time.unit),
                None => Self::Text,
            },
        }
    }

    /// Narrowest type that holds the values of both types.
    pub fn union(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (Self::Unknown, other) | (other, Self::Unknown) => other,
            (Self::Integer, Self::Real) | (Self::Real, Self::Integer) => Self::Real,
            (Self::Time(a), Self::Time(b)) => Self::Time(a.max(b)),
            _ => Self::Text,
        }
    }

    /// Type of the column in a batch.
    pub fn data_type(self) -> DataType {
        match self {
            Self::Integer => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Boolean => DataType::Boolean,
            Self::Date => DataType::Date32,
            Self::Time(unit) => DataType::Timestamp(unit, None),
            Self::Unknown | Self::Text => DataType::Utf8,
        }
    }

    /// Type in words, for messages.
    pub fn words(self) -> &'static str {
        match self {
            Self::Unknown => "no value",
            Self::Integer => "an integer",
            Self::Real => "a number",
            Self::Boolean => "`true` or `false`",
            Self::Date => "a date",
            Self::Time(_) => "a date with a time",
            Self::Text => "a text",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Integer,
    Real,
}

/// Shape of a plain number: no leading zeros, no plus sign, digits on both sides of the point.
fn number_shape(text: &[u8]) -> Option<Shape> {
    let digits = |at: usize| text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let start = usize::from(text.first() == Some(&b'-'));
    let whole = digits(start);
    if whole == 0 || whole > 1 && text[start] == b'0' {
        return None;
    }
    let mut at = start + whole;
    if at == text.len() {
        return Some(Shape::Integer);
    }
    if text[at] == b'.' {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return None;
        }
        at += 1 + fraction;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at += 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = if at <= text.len() { digits(at) } else { 0 };
        if exponent == 0 {
            return None;
        }
        at += exponent;
    }
    (at == text.len()).then_some(Shape::Real)
}

/// Digits that never overflow 64 bits.
const SAFE_DIGITS: usize = 18;

/// Plain integer within 64 bits.
pub(in crate::read) fn parse_integer(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let (negative, digits) = match bytes.split_first() {
        Some((b'-', digits)) => (true, digits),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > 1 && digits[0] == b'0' || digits.len() > 19 {
        return None;
    }
    if digits.len() <= SAFE_DIGITS {
        let mut value = 0_i64;
        for digit in digits {
            let digit = digit.wrapping_sub(b'0');
            if digit > 9 {
                return None;
            }
            value = value * 10 + i64::from(digit);
        }
        return Some(if negative { -value } else { value });
    }
    // Negative numbers reach one further than positive ones.
    let mut value = 0_i64;
    for digit in digits {
        let digit = digit.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

/// Plain number that a float holds, and no integer beyond 64 bits.
pub(in crate::read) fn parse_real(text: &str) -> Option<f64> {
    match number_shape(text.as_bytes())? {
        Shape::Integer => {
            parse_integer(text)?;
        }
        Shape::Real => {}
    }
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `true` or `false` in any case.
pub(super) fn parse_boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// Date, or date and time, without a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NaiveTime {
    /// Days since 1970.
    pub days: i32,
    seconds: i64,
    nanos: i64,
    /// Unit that holds all digits.
    pub unit: TimeUnit,
    /// `true` if there is no time of day.
    pub is_date: bool,
}

impl NaiveTime {
    /// Time since 1970 in `unit`; `None` if the unit is too coarse.
    pub fn value(&self, unit: TimeUnit) -> Option<i64> {
        if self.is_date || self.unit > unit {
            return None;
        }
        let (per_second, nanos_each) = match unit {
            TimeUnit::Second => (1, 1_000_000_000),
            TimeUnit::Millisecond => (1_000, 1_000_000),
            TimeUnit::Microsecond => (1_000_000, 1_000),
            TimeUnit::Nanosecond => (1_000_000_000, 1),
        };
        self.seconds.checked_mul(per_second)?.checked_add(self.nanos / nanos_each)
    }
}

/// Parses `YYYY-MM-DD` or `YYYY-MM-DD[T ]HH:MM:SS[.fraction]` of a year that fits in 64 bits of nanoseconds.
pub(super) fn parse_time(text: &str) -> Option<NaiveTime> {
    let bytes = text.as_bytes();
    let number = |from: usize, to: usize| -> Option<i64> {
        let part = bytes.get(from..to)?;
        part.iter()
            .try_fold(0, |value, byte| byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0')))
    };
    let mark = |at: usize, mark: u8| bytes.get(at) == Some(&mark);
    if bytes.len() < 10 || !mark(4, b'-') || !mark(7, b'-') {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let days = days_since_1970(year, month, day)?;
    let whole = i64::from(days) * 86_400;
    if bytes.len() == 10 {
        return Some(NaiveTime { days, seconds: whole, nanos: 0, unit: TimeUnit::Second, is_date: true });
    }
    if !matches!(bytes[10], b' ' | b'T') || !mark(13, b':') || !mark(16, b':') {
        return None;
    }
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    if hour > 23 || minute > 59 || second > 59 || !(1678..=2261).contains(&year) {
        return None;
    }
    let seconds = whole + hour * 3600 + minute * 60 + second;
    let (nanos, unit) = match bytes.len() {
        19 => (0, TimeUnit::Second),
        21..=29 if mark(19, b'.') => {
            let digits = bytes.len() - 20;
            let scale = 10_i64.pow(u32::try_from(9 - digits).ok()?);
            let unit = match digits {
                1..=3 => TimeUnit::Millisecond,
                4..=6 => TimeUnit::Microsecond,
                _ => TimeUnit::Nanosecond,
            };
            (number(20, bytes.len())? * scale, unit)
        }
        _ => return None,
    };
    Some(NaiveTime { days, seconds, nanos, unit, is_date: false })
}

/// Days since 1970 in the Gregorian calendar (Hinnant, "chrono-Compatible Low-Level Date Algorithms"); `None` for a
/// day that does not exist.
fn days_since_1970(year: i64, month: i64, day: i64) -> Option<i32> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 => 28 + i64::from(leap),
        _ => return None,
    };
    if day < 1 || day > length {
        return None;
    }
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    i32::try_from(era * 146_097 + day_of_era - 719_468).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_values_are_typed() {
        for (text, expected) in [
            ("0", FieldType::Integer),
            ("-12", FieldType::Integer),
            ("9223372036854775807", FieldType::Integer),
            ("-9223372036854775808", FieldType::Integer),
            ("9223372036854775808", FieldType::Text),
            ("12345678901234567890", FieldType::Text),
            ("01001", FieldType::Text),
            ("+1", FieldType::Text),
            ("1.50", FieldType::Real),
            ("-0.5e-3", FieldType::Real),
            ("2E5", FieldType::Real),
            ("00.5", FieldType::Text),
            (".5", FieldType::Text),
            ("5.", FieldType::Text),
            ("1e", FieldType::Text),
            ("1e+", FieldType::Text),
            ("1.5e400", FieldType::Text),
            ("1,5", FieldType::Text),
            ("-", FieldType::Text),
            ("inf", FieldType::Text),
            ("True", FieldType::Boolean),
            ("FALSE", FieldType::Boolean),
            ("yes", FieldType::Text),
            ("2024-02-29", FieldType::Date),
            ("2023-02-29", FieldType::Text),
            ("2024-13-01", FieldType::Text),
            ("2024-02-29T12:30:59", FieldType::Time(TimeUnit::Second)),
            ("2024-02-29 12:30:59.25", FieldType::Time(TimeUnit::Millisecond)),
            ("2024-02-29 12:30:59.123456789", FieldType::Time(TimeUnit::Nanosecond)),
            ("2024-02-29T12:30:59Z", FieldType::Text),
            ("2024-02-29T12:30:59+02:00", FieldType::Text),
            ("2024-02-29T24:00:00", FieldType::Text),
            ("2024-02-29T12:30", FieldType::Text),
        ] {
            assert_eq!(FieldType::of(text, true), expected, "{text}");
        }
        assert_eq!(FieldType::of("1.234", false), FieldType::Text);
        assert_eq!(FieldType::of("1234", false), FieldType::Integer);
    }

    #[test]
    fn times_agree_with_those_of_arrow() {
        use arrow::compute::kernels::cast_utils::{Parser, string_to_timestamp_nanos};
        use arrow::datatypes::Date32Type;
        for text in ["1970-01-01", "1969-12-31", "2000-02-29", "1900-03-01", "2261-12-31", "0001-01-01"] {
            assert_eq!(Some(parse_time(text).unwrap().days), Date32Type::parse(text), "{text}");
        }
        for text in ["1970-01-01T00:00:00", "1969-12-31 23:59:59.999", "2024-02-29 12:30:59.123456789"] {
            let found = parse_time(text).unwrap().value(TimeUnit::Nanosecond);
            assert_eq!(found, string_to_timestamp_nanos(text).ok(), "{text}");
        }
        // Fractions of less digits than the unit are not cut.
        let fine = parse_time("2024-01-01 00:00:00.0001").unwrap();
        assert_eq!(fine.value(TimeUnit::Millisecond), None);
    }

    #[test]
    fn types_are_widened_and_not_converted() {
        use FieldType::{Boolean, Date, Integer, Real, Text, Time, Unknown};
        for (a, b, both) in [
            (Integer, Real, Real),
            (Unknown, Date, Date),
            (Boolean, Integer, Text),
            (Date, Time(TimeUnit::Second), Text),
            (Time(TimeUnit::Second), Time(TimeUnit::Microsecond), Time(TimeUnit::Microsecond)),
            (Text, Integer, Text),
        ] {
            assert_eq!((a.union(b), b.union(a)), (both, both));
        }
    }
}
