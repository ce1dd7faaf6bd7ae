//! Canonical text of a number.

use std::borrow::Cow;

/// Most digits that an exponent may add to a canonical text.
const MAX_ZEROS: i64 = 400;

/// A number as the name of a category: whole numbers without a decimal point, zero without a sign.
pub fn number_text(value: f64) -> String {
    // `Display` of f64 writes 3.0 as "3" and is the shortest text that parses back to the same number.
    format!("{}", value + 0.0)
}

/// Canonical text of a number with a decimal point: `1.0`, `1e0` and `+1` are "1", `-0` is "0". `None` for any other
/// text.
///
/// Whole numbers keep all of their digits, however many. Fractions become the shortest text of the nearest 64-bit
/// float, which is what a channel of typed numbers delivers.
pub fn canonical_number(text: &str) -> Option<Cow<'_, str>> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0') && !text.is_empty();
    if plain {
        return Some(Cow::Borrowed(text));
    }
    let number = DecimalParts::parse(text)?;
    if let Some(whole) = number.whole_text(text) {
        return Some(whole);
    }
    let value: f64 = text.parse().ok()?;
    value.is_finite().then(|| {
        let canonical = number_text(value);
        if canonical == text { Cow::Borrowed(text) } else { Cow::Owned(canonical) }
    })
}

/// Parts of a decimal number.
struct DecimalParts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    exponent: i64,
}

impl<'a> DecimalParts<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let negative = text.starts_with('-');
        let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let valid = !(whole.is_empty() && fraction.is_empty()) && digits(whole) && digits(fraction);
        valid.then_some(Self { negative, whole, fraction, exponent })
    }

    /// Canonical text of a whole number of any length; `None` for a fraction.
    fn whole_text<'t>(&self, text: &'t str) -> Option<Cow<'t, str>> {
        let fraction = self.fraction.trim_end_matches('0');
        let digits = format!("{}{fraction}", self.whole);
        let digits = digits.trim_start_matches('0');
        if digits.is_empty() {
            return Some(if text == "0" { Cow::Borrowed(text) } else { Cow::Borrowed("0") });
        }
        let zeros = self.exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?;
        let (digits, zeros) = if let Ok(zeros) = usize::try_from(zeros) {
            (digits, zeros)
        } else {
            // A negative exponent leaves a whole number if it only takes zeros away.
            let cut = usize::try_from(zeros.checked_neg()?).ok()?;
            let kept = digits.len().checked_sub(cut).filter(|kept| *kept > 0)?;
            (digits[kept..].bytes().all(|byte| byte == b'0').then_some(&digits[..kept])?, 0)
        };
        if i64::try_from(zeros).ok()? > MAX_ZEROS {
            return None;
        }
        let sign = if self.negative { "-" } else { "" };
        let canonical = format!("{sign}{digits}{}", "0".repeat(zeros));
        Some(if canonical == text { Cow::Borrowed(text) } else { Cow::Owned(canonical) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_number_have_one_text() {
        for (text, expected) in [
            ("1", Some("1")),
            ("1.0", Some("1")),
            ("1e0", Some("1")),
            ("+1", Some("1")),
            ("007", Some("7")),
            ("-0", Some("0")),
            ("-0.0", Some("0")),
            ("100e-2", Some("1")),
            ("1.5e1", Some("15")),
            ("1e3", Some("1000")),
            (".5", Some("0.5")),
            ("0.50", Some("0.5")),
            ("1.", Some("1")),
            ("-2.250", Some("-2.25")),
            ("9007199254740993", Some("9007199254740993")),
            ("9007199254740993.0", Some("9007199254740993")),
            ("123456789012345678901234567890", Some("123456789012345678901234567890")),
            ("1e-7", Some("0.0000001")),
            ("1e999999999999", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1e", None),
            ("1,5", None),
            ("0x10", None),
            ("inf", None),
            ("nan", None),
            ("1 2", None),
            ("١", None),
        ] {
            assert_eq!(canonical_number(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn a_float_and_its_text_agree() {
        for bits in (0..20_000u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)) {
            let value = f64::from_bits(bits);
            if value.is_finite() && value.abs() > 1e-300 && value.abs() < 1e300 {
                let text = number_text(value);
                assert_eq!(canonical_number(&text).as_deref(), Some(text.as_str()));
                assert_eq!(
                    canonical_number(&format!("{value:e}")).as_deref(),
                    Some(text.as_str()),
                    "{value:e}"
                );
            }
        }
    }
}
