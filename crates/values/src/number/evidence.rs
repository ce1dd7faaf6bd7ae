//! Decision whether the texts of a column are numbers, and which decimal mark they have.

use std::collections::BTreeMap;

use super::{DecimalMark, parse_number};
use crate::decimal::canonical_number;
use crate::missing::is_common_marker;

/// Most distinct texts that are remembered for a message.
const MAX_EXAMPLES: usize = 5;
/// Most distinct texts that are counted.
const MAX_OTHERS: usize = 64;
/// Share of numbers from which on a column with other texts is a column of numbers with mistakes.
const MOSTLY: f64 = 0.9;
/// Fewest different numbers of such a column.
const MANY: usize = 20;

/// Counts of the texts of one column.
#[derive(Debug, Clone, Default)]
pub struct NumberEvidence {
    /// Texts that are numbers whatever the decimal mark.
    neutral: usize,
    /// Texts that are numbers only with a decimal point, such as `3.5`.
    point: usize,
    /// Texts that are numbers only with a decimal comma, such as `3,5`.
    comma: usize,
    /// First texts with a decimal point, and with a decimal comma.
    examples: [Option<String>; 2],
    /// First text with a comma that is a different number with either mark, such as `1,234`.
    ambiguous: Option<String>,
    /// Number of such texts, and of those with a point, such as `1.234`.
    either: usize,
    /// Texts with leading zeros, such as `01001`, and integers that floats do not hold.
    codes: usize,
    /// Whole numbers with a plus sign, such as those of telephones, and numbers with a minus sign.
    plus: usize,
    minus: usize,
    /// Numbers so far, up to a limit.
    distinct: std::collections::HashSet<String>,
    markers: BTreeMap<String, usize>,
    others: BTreeMap<String, usize>,
    other_texts: usize,
    first_other: Option<(usize, String)>,
}

/// Decision for a column of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NumberReading {
    /// All texts but markers of missing values are numbers.
    Numbers {
        /// Decimal mark of the column.
        decimal: DecimalMark,
        /// Common markers that were found, with the number of times.
        markers: Vec<(String, usize)>,
        /// `true` if some have leading zeros or a plus sign, or more digits than a float holds, as codes have.
        codes: bool,
    },
    /// The texts are numbers with either decimal mark, and different ones.
    Ambiguous {
        /// One of them.
        example: String,
    },
    /// At least nine of ten texts are numbers.
    Mostly {
        /// First row with another text, counted from 0.
        first: usize,
    },
    /// The texts are no numbers, or only some are.
    Texts,
}

impl NumberEvidence {
    /// Adds the text of a row.
    pub fn observe(&mut self, text: &str, row: usize) {
        self.observe_many(text, row, 1);
    }

    /// Adds a text of `count` rows, of which `row` is the first. Texts come in the order of their first rows.
    pub fn observe_many(&mut self, text: &str, row: usize, count: usize) {
        let (point, comma) = (parse_number(text, DecimalMark::Point), parse_number(text, DecimalMark::Comma));
        match (point, comma) {
            (None, None) if is_common_marker(text) => {
                *self.markers.entry(text.trim().to_owned()).or_default() += count;
                return;
            }
            (None, None) => {
                self.observe_other(text, row, count);
                return;
            }
            (Some(_), None) => {
                self.point += count;
                self.examples[0].get_or_insert_with(|| text.trim().to_owned());
            }
            (None, Some(_)) => {
                self.comma += count;
                self.examples[1].get_or_insert_with(|| text.trim().to_owned());
            }
            (Some(point), Some(comma)) if point.to_bits() == comma.to_bits() => self.neutral += count,
            (Some(_), Some(_)) => {
                self.either += count;
                if text.contains(',') && self.ambiguous.is_none() {
                    self.ambiguous = Some(text.trim().to_owned());
                }
            }
        }
        let trimmed = text.trim();
        let unsigned = trimmed.strip_prefix('+').unwrap_or(trimmed);
        self.codes += if is_code(unsigned) || is_inexact(unsigned) { count } else { 0 };
        self.plus += if unsigned.len() < trimmed.len() { count } else { 0 };
        self.minus += if trimmed.starts_with(['-', '\u{2212}']) { count } else { 0 };
        if self.distinct.len() < MANY && !self.distinct.contains(text) {
            self.distinct.insert(text.to_owned());
        }
    }

    fn observe_other(&mut self, text: &str, row: usize, count: usize) {
        self.other_texts += count;
        if self.first_other.is_none() {
            self.first_other = Some((row, text.to_owned()));
        }
        if let Some(known) = self.others.get_mut(text) {
            *known += count;
        } else if self.others.len() < MAX_OTHERS {
            self.others.insert(text.to_owned(), count);
        }
    }

    /// Number of texts that are numbers.
    pub fn numbers(&self) -> usize {
        self.neutral + self.point + self.comma + self.either
    }

    /// Decides; `forced` is the mark that the user declared.
    pub fn decide(&self, forced: Option<DecimalMark>) -> NumberReading {
        let numbers = self.numbers();
        if numbers == 0 {
            return NumberReading::Texts;
        }
        let decimal = match (forced, self.point, self.comma) {
            (Some(mark), ..) => mark,
            (None, 0, 1..) => DecimalMark::Comma,
            (None, 0, 0) if self.ambiguous.is_some() => {
                return NumberReading::Ambiguous { example: self.ambiguous.clone().unwrap_or_default() };
            }
            _ => DecimalMark::Point,
        };
        // Numbers with the other mark do not fit.
        let misfits = match decimal {
            DecimalMark::Point => self.comma,
            DecimalMark::Comma => self.point,
        };
        let fitting = numbers - misfits;
        if self.other_texts + misfits == 0 {
            let markers = self.markers.iter().map(|(text, count)| (text.clone(), *count)).collect();
            // With fractions or negative numbers beside it, a plus sign is no part of a code.
            let signs = self.minus + self.point + self.comma;
            let codes = self.codes > 0 || self.plus > 0 && signs == 0;
            return NumberReading::Numbers { decimal, markers, codes };
        }
        #[allow(clippy::cast_precision_loss, reason = "a share of rows")]
        let share = fitting as f64 / (fitting + misfits + self.other_texts) as f64;
        if share < MOSTLY || self.distinct.len() < MANY || self.other_texts == 0 {
            return NumberReading::Texts;
        }
        NumberReading::Mostly { first: self.first_other.as_ref().map_or(0, |(row, _)| *row) }
    }

    /// `true` if all texts are numbers, but some have another decimal mark than others, or than `forced`.
    pub fn has_other_marks(&self, forced: Option<DecimalMark>) -> bool {
        let differ = match forced {
            Some(DecimalMark::Point) => self.comma > 0,
            Some(DecimalMark::Comma) => self.point > 0,
            None => self.point > 0 && self.comma > 0,
        };
        self.other_texts == 0 && differ
    }

    /// First number with a decimal point, and first one with a decimal comma.
    pub fn mark_examples(&self) -> [Option<&str>; 2] {
        self.examples.each_ref().map(Option::as_deref)
    }

    /// Number of texts that are neither numbers nor common markers, and the most frequent of them with their number, at
    /// most five.
    pub fn others(&self) -> (usize, Vec<(&str, usize)>) {
        let mut others: Vec<(&str, usize)> =
            self.others.iter().map(|(text, count)| (text.as_str(), *count)).collect();
        others.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
        others.truncate(MAX_EXAMPLES);
        (self.other_texts, others)
    }

    /// First text that is neither a number nor a common marker, with its row.
    pub fn first_other(&self) -> Option<(usize, &str)> {
        self.first_other.as_ref().map(|(row, text)| (*row, text.as_str()))
    }
}

/// `true` for digits with a leading zero or a plus sign: a code such as `01001`, of which every character counts.
pub(crate) fn is_code(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let plus = text.starts_with('+') && digits.starts_with(|c: char| c.is_ascii_digit());
    let zero = digits.starts_with('0') && digits[1..].starts_with(|c: char| c.is_ascii_digit());
    (plus || zero) && canonical_number(text).is_some()
}

/// `true` for an integer of so many digits that another one has the same 64-bit float.
fn is_inexact(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.len() >= 16
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && digits.parse::<u64>().map_or(true, |value| value > 1 << 53)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(texts: &[&str]) -> NumberReading {
        let mut evidence = NumberEvidence::default();
        texts.iter().enumerate().for_each(|(row, text)| evidence.observe(text, row));
        evidence.decide(None)
    }

    fn numbers(decimal: DecimalMark) -> NumberReading {
        NumberReading::Numbers { decimal, markers: Vec::new(), codes: false }
    }

    #[test]
    fn the_decimal_mark_follows_from_the_whole_column() {
        assert_eq!(reading(&["3,5", "1.234,00", "12"]), numbers(DecimalMark::Comma));
        assert_eq!(reading(&["3,5", "1,234"]), numbers(DecimalMark::Comma));
        assert_eq!(reading(&["1,234", "3.5"]), numbers(DecimalMark::Point));
        assert_eq!(reading(&["1,234", "1,234,567"]), numbers(DecimalMark::Point));
        assert_eq!(reading(&["1.234", "2.500"]), numbers(DecimalMark::Point));
        assert_eq!(reading(&["1,234", "12"]), NumberReading::Ambiguous { example: "1,234".into() });
        assert_eq!(reading(&["3,5", "3.5"]), NumberReading::Texts);
        let mut both = NumberEvidence::default();
        ["12", "3,5", "2.5"].iter().enumerate().for_each(|(row, text)| both.observe(text, row));
        assert!(both.has_other_marks(None));
        assert_eq!(both.mark_examples(), [Some("2.5"), Some("3,5")]);
        both.observe("x", 3);
        assert!(!both.has_other_marks(None));
        let mut point = NumberEvidence::default();
        point.observe("2.5", 0);
        let marks = [None, Some(DecimalMark::Point), Some(DecimalMark::Comma)];
        assert_eq!(marks.map(|mark| point.has_other_marks(mark)), [false, false, true]);
        assert_eq!(reading(&["a", "b"]), NumberReading::Texts);
        let mut evidence = NumberEvidence::default();
        evidence.observe("1,234", 0);
        assert_eq!(evidence.decide(Some(DecimalMark::Comma)), numbers(DecimalMark::Comma));
    }

    #[test]
    fn markers_and_codes_are_told() {
        let expected = NumberReading::Numbers {
            decimal: DecimalMark::Point,
            markers: vec![("?".into(), 1), ("N/A".into(), 2)],
            codes: false,
        };
        assert_eq!(reading(&["1", "N/A", "?", "2.5", "N/A"]), expected);
        let codes = NumberReading::Numbers { decimal: DecimalMark::Point, markers: vec![], codes: true };
        assert_eq!(reading(&["01001", "2134"]), codes);
        assert_eq!(reading(&["9007199254740993", "12"]), codes);
        assert_eq!(reading(&["+4930123456", "+4989123456"]), codes);
        assert_eq!(reading(&["+5", "-3", "0"]), numbers(DecimalMark::Point));
        assert_eq!(reading(&["+5.5", "+3"]), numbers(DecimalMark::Point));
        assert_eq!(reading(&["+05", "-3"]), codes);
        assert_eq!(reading(&["9007199254740992", "12"]), numbers(DecimalMark::Point));
    }

    #[test]
    fn a_column_of_numbers_with_a_few_mistakes_names_them() {
        let texts: Vec<String> =
            (0..97).map(|i| i.to_string()).chain(["x".into(), "lots".into(), "x".into()]).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut evidence = NumberEvidence::default();
        texts.iter().enumerate().for_each(|(row, text)| evidence.observe(text, row));
        assert_eq!(evidence.decide(None), NumberReading::Mostly { first: 97 });
        assert_eq!(evidence.others(), (3, vec![("x", 2), ("lots", 1)]));
        assert_eq!(evidence.first_other(), Some((97, "x")));
        // A category of which most values happen to be digits.
        assert_eq!(reading(&["1", "2", "1", "2", "1", "2", "1", "2", "1", "1", "x"]), NumberReading::Texts);
    }

    #[test]
    fn codes_have_leading_zeros_or_a_plus() {
        for code in ["007", "00", "+1", "-01", "00.5"] {
            assert!(is_code(code), "{code}");
        }
        for number in ["0", "0.5", "-0", "10", "1e05", "x01", "+", ""] {
            assert!(!is_code(number), "{number}");
        }
    }
}
