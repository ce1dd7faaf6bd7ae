//! Numbers as people type them.

mod evidence;

use serde::{Deserialize, Serialize};

pub(crate) use self::evidence::is_code;
pub use self::evidence::{NumberEvidence, NumberReading};

/// Character between the whole part of a number and its fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum DecimalMark {
    /// `1,234.5`
    #[default]
    #[serde(rename = ".")]
    Point,
    /// `1.234,5`
    #[serde(rename = ",")]
    Comma,
}

impl DecimalMark {
    /// The character.
    pub fn mark(self) -> char {
        match self {
            Self::Point => '.',
            Self::Comma => ',',
        }
    }

    /// The other one, which separates thousands.
    pub fn grouping(self) -> char {
        match self {
            Self::Point => ',',
            Self::Comma => '.',
        }
    }
}

/// Signs of currencies before or after a number.
const CURRENCY_SIGNS: [char; 13] = ['$', '€', '£', '¥', '₹', '₽', '₩', '₺', '₴', '¢', '\u{ffe5}', '円', '元'];
/// Codes of currencies (ISO 4217) before or after a number.
const CURRENCY_CODES: [&str; 14] =
    ["USD", "EUR", "GBP", "JPY", "CHF", "CNY", "INR", "CAD", "AUD", "SEK", "NOK", "DKK", "PLN", "BRL"];
/// Characters that are read as a minus sign: the hyphen, U+2212, and the full-width hyphen.
const MINUS: [char; 3] = ['-', '\u{2212}', '\u{ff0d}'];

/// Number that a text stands for: with thousands separators in groups of three, a currency, a per cent sign (`12 %` is
/// 0.12), brackets or any minus sign for negative numbers, an exponent, `inf`. `None` for any other text.
pub fn parse_number(text: &str, decimal: DecimalMark) -> Option<f64> {
    let text = text.trim();
    if decimal == DecimalMark::Point
        && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b'e' | b'E'))
    {
        return text.parse().ok();
    }
    let written = Written::strip(text)?;
    if matches!(written.digits.to_ascii_lowercase().as_str(), "inf" | "infinity") {
        return Some(if written.negative { f64::NEG_INFINITY } else { f64::INFINITY });
    }
    let mut plain = plain_digits(written.digits, decimal)?;
    if written.percent {
        plain = shifted(&plain, -2)?;
    }
    let value: f64 = plain.parse().ok()?;
    Some(if written.negative { -value } else { value })
}

/// Digits of a number without what stands around them.
struct Written<'a> {
    digits: &'a str,
    negative: bool,
    percent: bool,
}

impl<'a> Written<'a> {
    fn strip(text: &'a str) -> Option<Self> {
        let (mut rest, mut negative, mut signed, mut percent, mut currency) =
            (text, false, false, false, false);
        if let Some(inner) = rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            (rest, negative, signed) = (inner.trim(), true, true);
        }
        loop {
            let before = rest;
            if let Some(after) = rest.strip_prefix(MINUS).filter(|_| !signed) {
                (rest, negative, signed) = (after.trim_start(), true, true);
            } else if let Some(after) = rest.strip_prefix('+').filter(|_| !signed) {
                (rest, signed) = (after.trim_start(), true);
            }
            if let Some(after) = rest.strip_suffix('%').filter(|_| !percent) {
                (rest, percent) = (after.trim_end(), true);
            }
            if let Some(after) = without_currency(rest).filter(|_| !currency) {
                (rest, currency) = (after, true);
            }
            if let Some(inner) =
                rest.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).filter(|_| !signed)
            {
                (rest, negative, signed) = (inner.trim(), true, true);
            }
            if rest.len() == before.len() {
                break;
            }
        }
        (!rest.is_empty()).then_some(Self { digits: rest, negative, percent })
    }
}

fn without_currency(text: &str) -> Option<&str> {
    if let Some(rest) = text.strip_prefix(CURRENCY_SIGNS) {
        return Some(rest.trim_start());
    }
    if let Some(rest) = text.strip_suffix(CURRENCY_SIGNS) {
        return Some(rest.trim_end());
    }
    let code = CURRENCY_CODES.iter().find_map(|code| {
        let first = text.strip_prefix(code).map(str::trim_start);
        first.or_else(|| text.strip_suffix(code).map(str::trim_end))
    });
    code.filter(|rest| {
        rest.chars().next().is_some_and(|c| c.is_ascii_digit() || MINUS.contains(&c) || c == '(')
    })
}

/// Rewrites digits with separators as Rust parses them.
fn plain_digits(text: &str, decimal: DecimalMark) -> Option<String> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = match mantissa.split_once(decimal.mark()) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let whole = without_groups(whole, decimal)?;
    let fraction = fraction.unwrap_or_default();
    if !digits(fraction) || whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut plain = format!("{whole}.{fraction}");
    if fraction.is_empty() {
        plain.pop();
    }
    if let Some(exponent) = exponent {
        let value = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
        if value.is_empty() || !digits(value) {
            return None;
        }
        plain.push('e');
        plain.push_str(exponent);
    }
    Some(plain)
}

/// Whole part without thousands separators: all are the same, and each is followed by exactly three digits.
fn without_groups(whole: &str, decimal: DecimalMark) -> Option<String> {
    let separator = whole.chars().find(|c| !c.is_ascii_digit());
    let Some(separator) = separator else { return Some(whole.to_owned()) };
    if separator != decimal.grouping() && !separator.is_whitespace() && !matches!(separator, '_' | '\'' | '’')
    {
        return None;
    }
    let mut groups = whole.split(separator);
    let first = groups.next()?;
    let valid = (1..=3).contains(&first.len()) && !first.starts_with('0');
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let rest: Vec<&str> = groups.collect();
    (valid && digits(first) && rest.iter().all(|group| group.len() == 3 && digits(group)))
        .then(|| format!("{first}{}", rest.concat()))
}

/// Multiplies a plain number by a power of ten without rounding twice.
fn shifted(plain: &str, by: i64) -> Option<String> {
    let (mantissa, exponent) = plain.split_once(['e', 'E']).unwrap_or((plain, "0"));
    Some(format!("{mantissa}e{}", exponent.parse::<i64>().ok()?.checked_add(by)?))
}

#[cfg(test)]
mod tests;
