//! Inputs of free text: tokenizer and length.

use cupola_prep::{Column, Frame};
use cupola_spec::{Input, Kind, Tokens, TokensKind};

use super::{Described, left_out};

/// Texts that lengths are measured in.
const MEASURED: usize = 2000;
/// Subwords of a word, on average.
const SUBWORDS: f64 = 1.4;
/// Names of columns whose values are texts, however short.
const NAMES: [&str; 16] = [
    "text",
    "review",
    "message",
    "comment",
    "comments",
    "description",
    "content",
    "body",
    "sentence",
    "question",
    "summary",
    "notes",
    "headline",
    "title",
    "tweet",
    "sms",
];

/// Input of a column of texts; `what` begins its reason.
pub(super) fn input(name: &str, frame: &Frame, what: &str) -> Described {
    let Some(Column::Text(texts)) = frame.get(name) else { return left_out("no texts") };
    let mut words: Vec<usize> =
        texts.iter().flatten().take(MEASURED).map(|text| text.split_whitespace().count()).collect();
    words.sort_unstable();
    let most = words.get(words.len() * 19 / 20).copied().unwrap_or(1);
    let length = length(most);
    let tokens = Tokens {
        kind: TokensKind::WordPiece,
        vocabulary: if frame.rows() < 2000 { 4000 } else { 8000 },
        length,
        lowercase: true,
        file: None,
    };
    let reason = format!("{what}: 95 % have at most {most} words, so {length} tokens");
    (Some(Kind::Text), reason, Some(Input { tokens: Some(tokens), ..Input::new(name, Kind::Text) }))
}

/// Tokens for texts of that many words: the next power of two from 16 to 256.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn length(words: usize) -> usize {
    ((words as f64 * SUBWORDS) as usize).next_power_of_two().clamp(16, 256)
}

/// `true` for a column that is named as a text, and whose values have several words.
pub(super) fn is_named_text(name: &str, frame: &Frame) -> bool {
    let Some(Column::Text(texts)) = frame.get(name) else { return false };
    let measured = || texts.iter().flatten().take(MEASURED);
    let words: usize = measured().map(|text| text.split_whitespace().count()).sum();
    NAMES.contains(&name.to_lowercase().as_str()) && words >= 2 * measured().count()
}

/// Input and tokenizer of a language model on a column of texts.
pub(super) fn language_model(name: &str, frame: &Frame) -> Option<(Input, String)> {
    let Some(Column::Text(texts)) = frame.get(name) else { return None };
    let letters: usize = texts.iter().flatten().map(str::len).sum();
    // Too little text for subwords is read letter by letter, as small models of books are.
    let tokens = if letters < 2_000_000 {
        Tokens { kind: TokensKind::Char, vocabulary: 8000, length: 64, lowercase: false, file: None }
    } else {
        Tokens { kind: TokensKind::Bpe, vocabulary: 8000, length: 128, lowercase: false, file: None }
    };
    let how = if tokens.kind == TokensKind::Char { "letters" } else { "subwords" };
    let reason = format!("text of {letters} letters, read as {how} in windows of {}", tokens.length);
    Some((Input { tokens: Some(tokens), ..Input::new(name, Kind::Text) }, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_powers_of_two_within_bounds() {
        assert_eq!([1, 12, 30, 90, 5000].map(length), [16, 16, 64, 128, 256]);
    }

    #[test]
    fn titles_are_texts_by_name() {
        let texts = Column::texts((0..40).map(|n| Some(format!("Win prize {n}"))));
        let frame = Frame::default().with("title", texts.clone()).with("key", texts);
        assert!(is_named_text("title", &frame) && !is_named_text("key", &frame));
    }
}
