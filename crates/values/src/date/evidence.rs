//! Decision whether the texts of a column are dates, and in which format.

use std::collections::BTreeMap;

use super::parse_date;
use crate::missing::is_common_marker;

/// Order of day, month and year, with the separators of each.
const ORDERS: [(&str, &str); 17] = [
    ("%Y/%m/%d", ""),
    ("%Y.%m.%d", ""),
    ("%d/%m/%Y", "%m/%d/%Y"),
    ("%d/%m/%y", "%m/%d/%y"),
    ("%d-%m-%Y", "%m-%d-%Y"),
    ("%d-%m-%y", "%m-%d-%y"),
    ("%d.%m.%Y", ""),
    ("%d.%m.%y", ""),
    ("%d %b %Y", ""),
    ("%d-%b-%Y", ""),
    ("%d-%b-%y", ""),
    ("%b %d, %Y", ""),
    ("%b %d %Y", ""),
    ("%B %d, %Y", ""),
    ("%B %d %Y", ""),
    ("%d %B %Y", ""),
    ("%Y年%m月%d日", ""),
];
/// Time of day after the date.
const TIMES: [&str; 5] = ["", " %H:%M", " %H:%M:%S", " %I:%M %p", " %I:%M:%S %p"];
/// Texts after which formats that few of them have are given up.
const PROBED: usize = 32;
/// One format is kept for this many texts, at least.
const KEPT: usize = 20;
/// Fewest dates of a column of dates with mistakes.
const MANY: usize = 20;

/// Format of a column of dates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DateGuess {
    /// ISO 8601.
    Iso,
    /// A `strptime` format.
    Format(String),
    /// Day and month may be either way round.
    Ambiguous {
        /// One of the texts.
        example: String,
        /// The two formats.
        formats: [String; 2],
    },
    /// At least nine of ten texts have one format.
    Mostly {
        /// That format; `None` for ISO 8601.
        format: Option<String>,
        /// Number of texts that have it.
        fitting: usize,
        /// First row with another text, counted from 0, and the text.
        other: (usize, String),
    },
    /// At least nine of ten texts are dates, but no format has that many.
    Mixed {
        /// The two most frequent formats with their numbers of texts; `None` for ISO 8601.
        formats: [(Option<String>, usize); 2],
        /// First row without the first of them, counted from 0, and its text.
        other: (usize, String),
    },
    /// The texts are not dates.
    Texts,
}

/// Texts of one column so far, as far as they decide the format of its dates.
#[derive(Debug, Clone, Default)]
pub struct DateEvidence {
    /// Formats that enough texts have so far; `None` before the first text.
    candidates: Option<Vec<Candidate>>,
    texts: usize,
    /// Number of texts that have one of the formats.
    dates: usize,
    example: Option<String>,
    markers: BTreeMap<String, usize>,
}

#[derive(Debug, Clone)]
struct Candidate {
    /// `None` for ISO 8601.
    format: Option<String>,
    /// Order of day and month.
    order: &'static str,
    fitting: usize,
    /// First row that does not fit, with its text.
    other: Option<(usize, String)>,
}

impl DateEvidence {
    /// Adds the text of a row.
    pub fn observe(&mut self, text: &str, row: usize) {
        let text = text.trim();
        if is_common_marker(text) {
            *self.markers.entry(text.to_owned()).or_default() += 1;
            return;
        }
        self.texts += 1;
        // Every format has a digit, and at least six characters.
        let possible = (6..=64).contains(&text.len()) && text.bytes().any(|byte| byte.is_ascii_digit());
        let candidates = self.candidates.get_or_insert_with(all_formats);
        let mut fits_one = false;
        for candidate in candidates.iter_mut() {
            if possible && parse_date(text, candidate.format.as_deref()).is_some() {
                candidate.fitting += 1;
                fits_one = true;
            } else if candidate.other.is_none() {
                candidate.other = Some((row, text.to_owned()));
            }
        }
        self.dates += usize::from(fits_one);
        if self.texts >= PROBED {
            candidates.retain(|candidate| candidate.fitting * KEPT >= self.texts);
        }
        if self.example.is_none() {
            self.example = Some(text.to_owned());
        }
    }

    /// Texts that stand for missing dates, with the number of times.
    pub fn markers(&self) -> Vec<(String, usize)> {
        self.markers.iter().map(|(text, count)| (text.clone(), *count)).collect()
    }

    /// Number of texts without those that stand for missing dates.
    pub fn texts(&self) -> usize {
        self.texts
    }

    /// Decides; `day_first` is the order that the user declared.
    pub fn decide(&self, day_first: Option<bool>) -> DateGuess {
        let candidates = self.candidates.as_deref().unwrap_or_default();
        let complete: Vec<_> = candidates.iter().filter(|candidate| candidate.other.is_none()).collect();
        let Some(first) = complete.first() else { return self.incomplete(candidates) };
        let Some(format) = &first.format else { return DateGuess::Iso };
        let other = complete.iter().find(|other| other.order != first.order);
        match (other.and_then(|other| other.format.clone()), day_first) {
            // The order with the day first stands first.
            (Some(second), Some(false)) => DateGuess::Format(second),
            (Some(_), Some(true)) | (None, _) => DateGuess::Format(format.clone()),
            (Some(second), None) => DateGuess::Ambiguous {
                example: self.example.clone().unwrap_or_default(),
                formats: [format.clone(), second],
            },
        }
    }

    /// Decides if no format has all texts.
    fn incomplete(&self, candidates: &[Candidate]) -> DateGuess {
        let mut sorted: Vec<_> = candidates.iter().collect();
        sorted.sort_by_key(|candidate| std::cmp::Reverse(candidate.fitting));
        let mostly = |count: usize| count >= MANY && count * 10 >= self.texts * 9;
        let Some((best, other)) = sorted.first().and_then(|best| Some((best, best.other.clone()?))) else {
            return DateGuess::Texts;
        };
        if mostly(best.fitting) {
            return DateGuess::Mostly { format: best.format.clone(), fitting: best.fitting, other };
        }
        match sorted.get(1) {
            Some(second) if mostly(self.dates) && second.fitting > 0 => {
                let formats = [best, second].map(|one| (one.format.clone(), one.fitting));
                DateGuess::Mixed { formats, other }
            }
            _ => DateGuess::Texts,
        }
    }
}

/// All formats with their order of day and month; ISO 8601 first.
fn all_formats() -> Vec<Candidate> {
    let candidate = |format, order| Candidate { format, order, fitting: 0, other: None };
    let mut all = vec![candidate(None, "")];
    for (first, second) in ORDERS {
        for order in [first, second].into_iter().filter(|order| !order.is_empty()) {
            all.extend(TIMES.iter().map(|time| candidate(Some(format!("{order}{time}")), order)));
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence<T: AsRef<str>>(texts: &[T]) -> DateEvidence {
        let mut evidence = DateEvidence::default();
        texts.iter().enumerate().for_each(|(row, text)| evidence.observe(text.as_ref(), row));
        evidence
    }

    #[test]
    fn a_format_is_found_or_the_two_that_are_possible_are_named() {
        let guess = |texts: &[&str]| evidence(texts).decide(None);
        let format = |format: &str| DateGuess::Format(format.to_owned());
        assert_eq!(guess(&["2024-03-05", "2024-12-31T23:59:59"]), DateGuess::Iso);
        assert_eq!(guess(&["05/03/2024", "31/12/2024"]), format("%d/%m/%Y"));
        assert_eq!(guess(&["05/03/2024", "12/31/2024"]), format("%m/%d/%Y"));
        assert_eq!(guess(&["5/3/24", "31/12/24"]), format("%d/%m/%y"));
        assert_eq!(guess(&["05.03.2024 09:15"]), format("%d.%m.%Y %H:%M"));
        assert_eq!(guess(&["5 Mar 2024"]), format("%d %b %Y"));
        assert_eq!(guess(&["Jan 1 2000", "Dec 31 2000"]), format("%b %d %Y"));
        assert_eq!(guess(&["1/31/2024 11:59:30 PM"]), format("%m/%d/%Y %I:%M:%S %p"));
        assert_eq!(guess(&["2024年3月5日", "2024年12月31日"]), format("%Y年%m月%d日"));
        assert_eq!(guess(&["n/a", "31/12/2024", "-"]), format("%d/%m/%Y"));
        let formats = ["%d/%m/%Y".to_owned(), "%m/%d/%Y".to_owned()];
        assert_eq!(
            guess(&["05/03/2024"]),
            DateGuess::Ambiguous { example: "05/03/2024".to_owned(), formats }
        );
        let evidence = evidence(&["05/03/2024"]);
        assert_eq!(evidence.decide(Some(true)), format("%d/%m/%Y"));
        assert_eq!(evidence.decide(Some(false)), format("%m/%d/%Y"));
        for texts in [&["05/03/2024", "x1x1x1"][..], &["123456"], &["12.5.1"], &["soon"], &[""], &[]] {
            assert_eq!(guess(texts), DateGuess::Texts, "{texts:?}");
        }
    }

    #[test]
    fn a_wrong_date_among_many_is_named_and_mixtures_too() {
        let day = |row: usize, format: &str| {
            let (day, month) = (row % 28 + 1, row % 12 + 1);
            match format {
                "day" => format!("{day:02}/{month:02}/2024"),
                "month" => format!("{month:02}/{day:02}/2024"),
                _ => format!("2024-{month:02}-{day:02}"),
            }
        };
        let mut texts: Vec<String> = (0..100).map(|row| day(row, "day")).collect();
        texts[40] = "31/02/2024".to_owned();
        texts[70] = "later".to_owned();
        let mostly = |format: Option<&str>, fitting, row, text: &str| DateGuess::Mostly {
            format: format.map(str::to_owned),
            fitting,
            other: (row, text.to_owned()),
        };
        assert_eq!(evidence(&texts).decide(None), mostly(Some("%d/%m/%Y"), 98, 40, "31/02/2024"));
        let mut texts: Vec<String> = (0..100).map(|row| day(row, "iso")).collect();
        texts[99] = "0000-00-00".to_owned();
        assert_eq!(evidence(&texts).decide(None), mostly(None, 99, 99, "0000-00-00"));
        let mixed = |orders: [&str; 2]| {
            let texts: Vec<String> = (0..200).map(|row| day(row, orders[row / 7 % 2])).collect();
            match evidence(&texts).decide(None) {
                DateGuess::Mixed { formats, other: (row, text) } => {
                    assert_eq!(texts[row], text);
                    formats.map(|(format, _)| format)
                }
                other => panic!("{other:?}"),
            }
        };
        let mut formats = mixed(["day", "month"]);
        formats.sort();
        assert_eq!(formats, [Some("%d/%m/%Y".to_owned()), Some("%m/%d/%Y".to_owned())]);
        assert_eq!(mixed(["iso", "day"])[0], None);
        // Too few dates, or too many other texts.
        assert_eq!(evidence(&["31/12/2024", "30/12/2024", "soon"]).decide(None), DateGuess::Texts);
        let texts: Vec<String> =
            (0..100).map(|row| if row % 5 == 0 { "x1x1x1".into() } else { day(row, "day") }).collect();
        assert_eq!(evidence(&texts).decide(None), DateGuess::Texts);
    }
}
