//! Canonical text of a category.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use crate::decimal::canonical_number;
use crate::number::is_code;

/// Most spellings of fractions that are compared with each other.
const MAX_SPELLINGS: usize = 100_000;

/// Rule that makes the canonical text of a category. In every form, blanks around a text do not count, and equal
/// characters have one Unicode form (NFC).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CategoryForm {
    /// Numbers have one text each: `1`, `1.0` and `1e0` are "1". Other texts are themselves.
    #[default]
    Number,
    /// `True`, `TRUE`, `1` are "true"; `False`, `FALSE`, `0` are "false". Other texts are themselves.
    Boolean,
    /// Every character counts: `01001` is not `1001`.
    Exact,
}

impl CategoryForm {
    /// Canonical text.
    pub fn canonical(self, text: &str) -> Cow<'_, str> {
        let text = tidy(text);
        match self {
            Self::Exact => text,
            Self::Number => map(text, canonical_number),
            Self::Boolean => map(text, |text| boolean(text).map(Cow::Borrowed)),
        }
    }
}

fn map(text: Cow<'_, str>, canonical: impl Fn(&str) -> Option<Cow<'_, str>>) -> Cow<'_, str> {
    match canonical(&text) {
        Some(changed) if changed != text => Cow::Owned(changed.into_owned()),
        _ => text,
    }
}

/// Text without blanks around it, in NFC.
fn tidy(text: &str) -> Cow<'_, str> {
    let text = text.trim();
    if text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

fn boolean(text: &str) -> Option<&'static str> {
    if text.eq_ignore_ascii_case("true") || canonical_number(text).is_some_and(|text| text == "1") {
        Some("true")
    } else if text.eq_ignore_ascii_case("false") || canonical_number(text).is_some_and(|text| text == "0") {
        Some("false")
    } else {
        None
    }
}

/// Texts of one column so far, as far as they decide its form.
#[derive(Debug, Clone, Default)]
#[allow(clippy::struct_excessive_bools, reason = "each is a fact that was seen")]
pub struct CategoryEvidence {
    codes: bool,
    words: bool,
    truths: bool,
    /// Numbers other than 0 and 1.
    numbers: bool,
    /// `true` if a number has an exponent.
    exponents: bool,
    /// Spelling of each fraction, by its canonical text.
    fractions: HashMap<String, String>,
    /// `true` if two spellings are the same fraction, such as `1.1` and `1.10`.
    two_spellings: bool,
}

impl CategoryEvidence {
    /// Adds a text.
    pub fn observe(&mut self, text: &str) {
        let text = text.trim();
        let Some(canonical) = canonical_number(text) else {
            let truth = text.eq_ignore_ascii_case("true") || text.eq_ignore_ascii_case("false");
            self.truths |= truth;
            self.words |= !truth;
            return;
        };
        self.codes = self.codes || is_code(text);
        self.numbers |= !matches!(canonical.as_ref(), "0" | "1");
        self.exponents |= text.contains(['e', 'E']);
        if canonical.contains('.') && !self.two_spellings && self.fractions.len() < MAX_SPELLINGS {
            match self.fractions.get(canonical.as_ref()) {
                Some(spelling) => self.two_spellings = spelling != text,
                None => {
                    self.fractions.insert(canonical.into_owned(), text.to_owned());
                }
            }
        }
    }

    /// Form of the column: exact if leading zeros, a fraction with two spellings, or exponents among words show that
    /// its numbers are codes.
    pub fn decide(&self) -> CategoryForm {
        if self.codes || self.two_spellings || self.exponents && self.words {
            CategoryForm::Exact
        } else if self.truths && !self.words && !self.numbers {
            CategoryForm::Boolean
        } else {
            CategoryForm::Number
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form(texts: &[&str]) -> CategoryForm {
        let mut evidence = CategoryEvidence::default();
        for text in texts {
            evidence.observe(text);
        }
        evidence.decide()
    }

    #[test]
    fn the_form_follows_from_all_texts() {
        assert_eq!(form(&["01001", "2134"]), CategoryForm::Exact);
        assert_eq!(form(&["1.1", "1.10", "2"]), CategoryForm::Exact);
        assert_eq!(form(&["1e5", "A7"]), CategoryForm::Exact);
        assert_eq!(form(&["True", "False"]), CategoryForm::Boolean);
        assert_eq!(form(&["True", "0", "1"]), CategoryForm::Boolean);
        assert_eq!(form(&["True", "maybe"]), CategoryForm::Number);
        assert_eq!(form(&["1", "1.0", "1e0", "2.5"]), CategoryForm::Number);
        assert_eq!(form(&["12", "A7"]), CategoryForm::Number);
        assert_eq!(form(&["0", "1"]), CategoryForm::Number);
    }

    #[test]
    fn each_form_makes_one_text_of_one_value() {
        for (form, text, expected) in [
            (CategoryForm::Number, " 2.0 ", "2"),
            (CategoryForm::Number, "9007199254740993", "9007199254740993"),
            (CategoryForm::Number, "A7", "A7"),
            (CategoryForm::Number, "True", "True"),
            (CategoryForm::Number, "-0", "0"),
            (CategoryForm::Boolean, "TRUE", "true"),
            (CategoryForm::Boolean, "1.0", "true"),
            (CategoryForm::Boolean, "0", "false"),
            (CategoryForm::Boolean, "2", "2"),
            (CategoryForm::Exact, "01001 ", "01001"),
            (CategoryForm::Exact, "e\u{301}", "\u{e9}"),
        ] {
            assert_eq!(form.canonical(text), expected, "{form:?} {text:?}");
            let once = form.canonical(text);
            assert_eq!(form.canonical(&once), once, "canonical twice");
        }
    }
}
