//! Cleaning of raw texts, and numbers written for people.

use cupola_spec::{Clean, TextStep, matches_pattern};
use cupola_values::{DecimalMark, parse_number};
use unicode_normalization::UnicodeNormalization;

use crate::error::Error;
use crate::frame::{Column, Frame};

/// `true` if a raw column holds texts that are parsed as numbers.
pub(super) fn parses_numbers(clean: &Clean, column: &str) -> bool {
    clean.numbers.iter().any(|pattern| matches_pattern(pattern, column))
}

/// Applies `clean` to all text columns.
///
/// # Errors
/// [`Error::Value`] for a text that is not a number in a column of numbers.
pub(super) fn cleaned(clean: &Clean, frame: &Frame) -> Result<Frame, Error> {
    let mut out = frame.clone();
    for name in frame.names() {
        let Some(Column::Text(texts)) = frame.get(name) else { continue };
        let cleaned =
            texts.iter().map(|text| Some(cleaned_text(text?, &clean.text)).filter(|text| !text.is_empty()));
        if parses_numbers(clean, name) {
            let mut numbers = Vec::with_capacity(frame.rows());
            for (row, text) in cleaned.enumerate() {
                numbers.push(text.as_deref().map_or(Ok(f64::NAN), |text| {
                    parse_number(text, DecimalMark::Point).filter(|number| number.is_finite()).ok_or_else(
                        || Error::Value {
                            row: row + 1,
                            column: name.to_owned(),
                            expected: "a number such as 1,250.50, $3, 12 % or (7)".to_owned(),
                            found: format!("`{text}`"),
                            remedy: "fix it, or list it in `data.null`".to_owned(),
                        },
                    )
                })?);
            }
            out = out.with(name, Column::numbers(numbers));
        } else if !clean.text.is_empty() {
            out = out.with(name, Column::texts(cleaned));
        }
    }
    Ok(out)
}

fn cleaned_text(text: &str, steps: &[TextStep]) -> String {
    steps.iter().fold(text.to_owned(), |text, step| match step {
        TextStep::Trim => text.trim().to_owned(),
        TextStep::Spaces => text.split_whitespace().collect::<Vec<_>>().join(" "),
        TextStep::Lower => text.to_lowercase(),
        TextStep::Nfkc => text.nfkc().collect(),
        TextStep::Punctuation => without_punctuation(&text).to_owned(),
    })
}

/// Fewest steps of `clean.text` that make two texts equal, as a list in TOML; `None` if no steps do.
pub(crate) fn uniting_steps(a: &str, b: &str) -> Option<String> {
    const ALL: [(TextStep, &str); 5] = [
        (TextStep::Nfkc, "\"nfkc\""),
        (TextStep::Spaces, "\"spaces\""),
        (TextStep::Punctuation, "\"punctuation\""),
        (TextStep::Lower, "\"lower\""),
        (TextStep::Trim, "\"trim\""),
    ];
    let unites = |steps: &[(TextStep, &str)]| {
        let steps: Vec<TextStep> = steps.iter().map(|(step, _)| *step).collect();
        cleaned_text(a, &steps) == cleaned_text(b, &steps)
    };
    let mut steps = ALL.to_vec();
    if !unites(&steps) {
        return None;
    }
    for (step, _) in ALL {
        let fewer: Vec<_> = steps.iter().copied().filter(|(other, _)| *other != step).collect();
        if unites(&fewer) {
            steps = fewer;
        }
    }
    Some(steps.into_iter().map(|(_, name)| name).collect::<Vec<_>>().join(", "))
}

/// The text without punctuation at its end, and without the blanks around that.
fn without_punctuation(text: &str) -> &str {
    let marks = |c: char| matches!(c, '.' | ',' | ';' | ':' | '!') || c.is_whitespace();
    text.trim_end_matches(marks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn punctuation_at_the_end_is_removed_from_texts_and_nothing_else() {
        for (text, expected) in
            [("<=50K.", "<=50K"), (" yes , ", " yes"), ("3.5", "3.5"), ("a.b.", "a.b"), ("...", "")]
        {
            assert_eq!(cleaned_text(text, &[TextStep::Punctuation]), expected, "{text}");
        }
    }

    #[test]
    fn the_fewest_steps_unite_two_spellings() {
        for (a, b, expected) in [
            ("<=50K.", "<=50K", Some("\"punctuation\"")),
            (" yes", "yes", Some("\"trim\"")),
            ("Yes ", "yes", Some("\"lower\", \"trim\"")),
            ("a  b", "a b", Some("\"spaces\"")),
            ("caf\u{e9}", "cafe\u{301}", Some("\"nfkc\"")),
            ("\u{200b}a", "a", None),
            ("yes", "no", None),
        ] {
            assert_eq!(uniting_steps(a, b).as_deref(), expected, "{a:?} {b:?}");
        }
    }
}
