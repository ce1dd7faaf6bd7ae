//! Names that are almost alike: suggestions for typing errors, and differences that are hard to see.

use unicode_normalization::UnicodeNormalization;

/// The hint to an unknown name: `` (did you mean `x`?)`` with a leading space, or an empty text if
/// no candidate is similar. It follows the name in a message, and names a difference that is hard to see:
/// `` (did you mean `x `, with a blank at the end?)``.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    let Some(near) = nearest(word, candidates) else { return String::new() };
    let how = spelling_difference(word, near).map_or(String::new(), |how| format!(", {how}"));
    format!(" (did you mean `{near}`{how}?)")
}

/// The candidate most similar to `word`; `None` if none is similar.
///
/// A candidate that differs only in blanks, case or the like comes first. The similarity of others is the larger
/// of Jaro-Winkler, which rewards a common beginning, and normalised Damerau-Levenshtein, which tolerates
/// exchanged letters.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let similarity = |candidate: &str| {
        if folded(word) == folded(candidate) {
            return 2.0;
        }
        let edits = strsim::normalized_damerau_levenshtein(word, candidate) + 0.1;
        strsim::jaro_winkler(word, candidate).max(edits)
    };
    candidates
        .into_iter()
        .map(|candidate| (similarity(candidate), candidate))
        .filter(|(similarity, _)| *similarity >= 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// The candidate that is another spelling of `word`, with its difference: blanks, case, punctuation at the end,
/// invisible characters, other forms of a character. `None` if there is none.
pub fn other_spelling<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<(&'a str, String)> {
    candidates.into_iter().find_map(|other| spelling_difference(word, other).map(|how| (other, how)))
}

/// Difference of `other` from `word`, such as "with a blank at the end"; `None` if the two are equal or differ
/// in more than their spelling.
pub fn spelling_difference(word: &str, other: &str) -> Option<String> {
    if word == other || folded(word).is_empty() || folded(word) != folded(other) {
        return None;
    }
    let mut found: Vec<String> = Vec::new();
    let mut compare = |word: &str, other: &str, what: &dyn Fn(&str) -> String, place: &str| {
        if word != other {
            let with = if other.len() > word.len() { ("with", other) } else { ("without", word) };
            found.push(format!("{} {} at the {place}", with.0, what(with.1)));
        }
    };
    let (a, b) = (Parts::of(word), Parts::of(other));
    compare(a.start, b.start, &blanks, "start");
    compare(a.punctuation, b.punctuation, &|text| format!("`{}`", text.trim()), "end");
    compare(a.end, b.end, &blanks, "end");
    found.extend(inner_difference(a.core, b.core).map(str::to_owned));
    Some(if found.is_empty() { "spelled differently".to_owned() } else { found.join(" and ") })
}

/// A text as blanks, core, punctuation and blanks.
struct Parts<'a> {
    start: &'a str,
    core: &'a str,
    punctuation: &'a str,
    end: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Self {
        let trimmed = text.trim_end();
        let end = &text[trimmed.len()..];
        let inner = trimmed.trim_start();
        let start = &trimmed[..trimmed.len() - inner.len()];
        let core = inner.trim_end_matches(is_end_mark);
        Self { start, core, punctuation: &inner[core.len()..], end }
    }
}

/// `true` for punctuation, and blanks before it, that may follow a name without being part of it.
fn is_end_mark(c: char) -> bool {
    matches!(c, '.' | ',' | ';' | ':' | '!') || c.is_whitespace()
}

fn blanks(text: &str) -> String {
    match (text, text.chars().count()) {
        (" ", _) => "a blank".to_owned(),
        ("\t", _) => "a tab".to_owned(),
        (_, 1) => "white space".to_owned(),
        (_, count) => format!("{count} blanks"),
    }
}

/// Difference between two texts without blanks and punctuation at their ends.
fn inner_difference(word: &str, other: &str) -> Option<&'static str> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let visible = |text: &str| text.chars().filter(|c| !is_invisible(*c)).collect::<String>();
    if word == other {
        None
    } else if visible(word) == visible(other) {
        Some(if word.len() < other.len() {
            "with an invisible character"
        } else {
            "without an invisible character"
        })
    } else if words(word) == words(other) {
        Some("with other blanks between the words")
    } else if word.to_lowercase() == other.to_lowercase() {
        Some("in other case")
    } else {
        Some("in other characters of the same look")
    }
}

/// Form that different spellings of one name have in common.
fn folded(text: &str) -> String {
    let plain: String = text.nfkc().filter(|c| !is_invisible(*c)).collect::<String>().to_lowercase();
    let words = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    words.trim_end_matches(is_end_mark).to_owned()
}

/// `true` for characters without a width: zero-width spaces and joiners, the soft hyphen, the byte order mark.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_that_are_hard_to_see_are_named() {
        for (word, other, expected) in [
            ("Income", "income ", "with a blank at the end and in other case"),
            ("income", "income ", "with a blank at the end"),
            (" income", "income", "without a blank at the start"),
            ("<=50K.", "<=50K", "without `.` at the end"),
            ("<=50K", " <=50K.", "with a blank at the start and with `.` at the end"),
            ("INCOME", "income", "in other case"),
            ("net  pay", "net pay", "with other blanks between the words"),
            ("id", "\u{feff}id", "with an invisible character"),
            ("caf\u{e9}", "cafe\u{301}", "in other characters of the same look"),
            ("a\t", "a", "without a tab at the end"),
        ] {
            assert_eq!(spelling_difference(word, other).as_deref(), Some(expected), "{word:?} {other:?}");
        }
        for (word, other) in [("a", "a"), ("yes", "no"), ("a.b", "ab"), (".", ","), ("", " ")] {
            assert_eq!(spelling_difference(word, other), None, "{word:?} {other:?}");
        }
    }

    #[test]
    fn another_spelling_is_nearer_than_a_similar_name() {
        assert_eq!(nearest("INCOME", ["incomes", "income", "outcome"]), Some("income"));
        assert_eq!(did_you_mean("sid", ["x", "side"]), " (did you mean `side`?)");
        assert_eq!(
            did_you_mean("Income", ["age", "income "]),
            " (did you mean `income `, with a blank at the end and in other case?)"
        );
        assert_eq!(did_you_mean("q", ["age"]), "");
        let found = other_spelling("<=50K.", [">50K", "<=50K"]);
        assert_eq!(found, Some(("<=50K", "without `.` at the end".to_owned())));
    }
}
