//! Series of predictions that the table of late values does not have, with examples of both sides.

use cupola_monitor::late::UnmatchedSeries;
use cupola_spec::{did_you_mean, nearest};
use serde::Serialize;

/// Keys of each side among which a pair of similar ones is looked for.
const COMPARED: usize = 200;

/// Series of predictions that the table of late values does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeriesMismatch {
    /// Number of these series.
    pub predicted: usize,
    /// Key of one of them.
    pub predicted_example: Vec<String>,
    /// Number of series of the table that no prediction is about.
    pub table: usize,
    /// Key of one of them; `None` if there is none.
    pub table_example: Option<Vec<String>>,
    /// `true` if the examples are similar, such as two spellings of one name.
    pub similar: bool,
}

impl SeriesMismatch {
    /// Counts with one example of each side, a similar pair if there is one. `None` if the table has all series.
    pub(super) fn of(unmatched: UnmatchedSeries) -> Option<Self> {
        let UnmatchedSeries { predicted, table } = unmatched;
        let pair = similar_pair(&predicted, &table);
        let (own, other) = match pair {
            Some((own, other)) => (own, Some(other)),
            None => (predicted.first()?, table.first()),
        };
        Some(Self {
            predicted: predicted.len(),
            predicted_example: own.clone(),
            table: table.len(),
            table_example: other.cloned(),
            similar: pair.is_some(),
        })
    }

    /// Sentence on these series, of `all` series of the predictions. `rows` are the predictions in words.
    pub(super) fn sentence(&self, all: u64, rows: &str) -> String {
        let own = self.predicted_example.join(", ");
        let is = if self.predicted == 1 { "is" } else { "are" };
        let mut parts = vec![format!(
            "{} of {all} series of the {rows} {is} not in the table of --targets: `{own}`{}",
            self.predicted,
            more(self.predicted)
        )];
        if let Some(example) = &self.table_example {
            let other = example.join(", ");
            let near = if self.similar { did_you_mean(&other, [own.as_str()]) } else { String::new() };
            parts.push(format!("only the table has `{other}`{near}{}", more(self.table)));
        }
        if !self.similar && self.predicted as u64 == all {
            parts.push("a key that the log has as a pseudonym (`[log] hash`) joins nothing".to_owned());
        }
        parts.join("; ")
    }
}

fn more(count: usize) -> String {
    if count > 1 { format!(" and {} more", count - 1) } else { String::new() }
}

/// First key of the table with a similar one among the predictions, and that one.
fn similar_pair<'a>(
    predicted: &'a [Vec<String>],
    table: &'a [Vec<String>],
) -> Option<(&'a Vec<String>, &'a Vec<String>)> {
    let texts: Vec<String> = predicted.iter().take(COMPARED).map(|key| key.join(", ")).collect();
    table.iter().take(COMPARED).find_map(|other| {
        let near = nearest(&other.join(", "), texts.iter().map(String::as_str))?;
        let at = texts.iter().position(|text| text == near)?;
        Some((&predicted[at], other))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(names: &[&[&str]]) -> Vec<Vec<String>> {
        names.iter().map(|key| key.iter().map(|&own| own.to_owned()).collect()).collect()
    }

    fn sentence(predicted: &[&[&str]], table: &[&[&str]], all: u64) -> Option<String> {
        let unmatched = UnmatchedSeries { predicted: keys(predicted), table: keys(table) };
        SeriesMismatch::of(unmatched).map(|found| found.sentence(all, "forecasts"))
    }

    #[test]
    fn each_side_has_an_example_and_a_similar_name_comes_first() {
        assert_eq!(sentence(&[], &[&["west"]], 2), None);
        assert_eq!(
            sentence(&[&["north"], &["south"]], &[&["East"], &["South"]], 2).unwrap(),
            "2 of 2 series of the forecasts are not in the table of --targets: `south` and 1 more; only the table has \
             `South` (did you mean `south`, in other case?) and 1 more"
        );
        let found = sentence(&[&["1f8a", "x"]], &[&["north", "milk"]], 1).unwrap();
        assert!(found.contains("`1f8a, x`; only the table has `north, milk`; a key that"), "{found}");
        assert_eq!(
            sentence(&[&["a"]], &[], 5).unwrap(),
            "1 of 5 series of the forecasts is not in the table of --targets: `a`"
        );
    }
}
