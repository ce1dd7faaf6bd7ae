//! Encoding of a ranking: the relevance of each row and the key of its group.

use std::collections::HashMap;

use super::{FittedTarget, fit};
use crate::error::Error;
use crate::examples::Targets;
use crate::frame::{Frame, finite};
use crate::stats::draw;

/// Largest relevance. Its gain, `2^30 - 1`, is the largest one that `LightGBM` has too.
pub(crate) const MOST_RELEVANT: f64 = 30.0;
/// Share of groups without a pair to learn from which on a warning is worth a line.
const FLAT_GROUPS: f64 = 0.1;

/// Relevance and key of the group of each row.
///
/// # Errors
/// [`Error::Column`] for a missing column, [`Error::Value`] for a relevance that is not a whole number from 0 to 30, and for
/// a row without a group.
pub(super) fn encode(column: &str, group: &str, frame: &Frame) -> Result<Targets, Error> {
    fit::check_no_missing(column, frame)?;
    let relevance =
        frame.require(column, "add the target's column, which training and evaluation require")?;
    let names = frame
        .require(group, "add the column of the ranking's groups, which training and evaluation require")?;
    let (mut groups, mut values) = (Vec::with_capacity(frame.rows()), Vec::with_capacity(frame.rows()));
    for row in 0..frame.rows() {
        let wrong = |column: &str, expected: &str, found: String, remedy: &str| Error::Value {
            row: row + 1,
            column: column.to_owned(),
            expected: expected.to_owned(),
            found,
            remedy: remedy.to_owned(),
        };
        let value = finite(column, relevance, row)?.unwrap_or(f64::NAN);
        if value.fract() != 0.0 || !(0.0..=MOST_RELEVANT).contains(&value) {
            return Err(wrong(
                column,
                "a relevance, a whole number from 0 to 30",
                format!("{value}"),
                "make grades of it, as a column of `[[features]]`, or write `kind = \"number\"` to predict it",
            ));
        }
        let Some(name) = names.text(row) else {
            let remedy = "fill it, or leave such rows out with `data.query`";
            return Err(wrong(group, "the group of the row", "nothing".to_owned(), remedy));
        };
        groups.push(draw(0, &name, 0, 0));
        #[allow(clippy::cast_possible_truncation, reason = "a whole number up to 30")]
        values.push(value as f32);
    }
    Ok(Targets::Relevance { groups, values })
}

/// Checks that training rows have something to learn.
///
/// # Errors
/// The errors of [`encode`], and [`Error::Target`] if no group has rows of different relevance.
pub(super) fn check_pairs(column: &str, group: &str, train: &Frame) -> Result<(), Error> {
    let (groups, flat) = flat_groups(&encode(column, group, train)?);
    if flat < groups || groups == 0 {
        return Ok(());
    }
    let why = format!(
        "no group of `{group}` has training rows of different relevance, so there is no order to learn; check the column of the groups"
    );
    Err(Error::Target { column: column.to_owned(), why })
}

/// Number of groups, and of those whose rows all have one relevance.
fn flat_groups(targets: &Targets) -> (usize, usize) {
    let Targets::Relevance { groups, values } = targets else { return (0, 0) };
    let mut ranges: HashMap<u64, [f32; 2]> = HashMap::new();
    for (group, value) in groups.iter().zip(values) {
        let range = ranges.entry(*group).or_insert([*value; 2]);
        *range = [range[0].min(*value), range[1].max(*value)];
    }
    (ranges.len(), ranges.values().filter(|[low, high]| low >= high).count())
}

/// Warning about groups of the training rows that teach nothing; `None` with few of them.
#[allow(clippy::cast_precision_loss, reason = "numbers of groups")]
pub(crate) fn flat_groups_note(target: &FittedTarget, targets: Option<&Targets>) -> Option<String> {
    let FittedTarget::Rank { name, group, .. } = target else { return None };
    let (groups, flat) = flat_groups(targets?);
    (flat as f64 > FLAT_GROUPS * groups as f64).then(|| {
        format!(
            "{flat} of {groups} groups of `{group}` in the training rows have one value of `{name}` only, so they teach no order"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Column;

    fn frame(relevance: Column, groups: &[Option<&str>]) -> Frame {
        Frame::default().with("grade", relevance).with("query", Column::texts(groups.iter().copied()))
    }

    fn error(relevance: Vec<f64>, groups: &[Option<&str>]) -> String {
        encode("grade", "query", &frame(Column::numbers(relevance), groups)).unwrap_err().to_string()
    }

    #[test]
    fn rows_of_one_group_share_a_key() {
        let rows = frame(Column::numbers(vec![0.0, 2.0, 30.0]), &[Some("a"), Some("b"), Some("a")]);
        let Targets::Relevance { groups, values } = encode("grade", "query", &rows).unwrap() else {
            unreachable!()
        };
        assert_eq!(values, [0.0, 2.0, 30.0]);
        assert!(groups[0] == groups[2] && groups[0] != groups[1]);
        // Numbers name groups as texts do.
        let numbers = Frame::default()
            .with("grade", Column::numbers(vec![1.0, 1.0]))
            .with("query", Column::numbers(vec![7.0, 8.0]));
        let texts = frame(Column::numbers(vec![1.0, 1.0]), &[Some("7"), Some("8")]);
        assert_eq!(encode("grade", "query", &numbers).unwrap(), encode("grade", "query", &texts).unwrap());
    }

    #[test]
    fn grades_and_groups_are_checked_with_their_row() {
        let groups = [Some("a"), Some("a")];
        for bad in [0.5, -1.0, 31.0] {
            let said = error(vec![1.0, bad], &groups);
            let expected = format!(
                "row 2, column `grade`: expected a relevance, a whole number from 0 to 30, found {bad};"
            );
            assert!(said.starts_with(&expected), "{said}");
        }
        assert!(error(vec![1.0, f64::NAN], &groups).starts_with("row 2, column `grade`: expected a value"));
        assert!(error(vec![1.0, f64::INFINITY], &groups).contains("expected a finite number"));
        let said = error(vec![1.0, 0.0], &[Some("a"), None]);
        assert!(
            said.starts_with("row 2, column `query`: expected the group of the row, found nothing"),
            "{said}"
        );
        let rows = frame(Column::numbers(vec![1.0]), &[Some("a")]);
        let said = encode("grade", "querry", &rows).unwrap_err().to_string();
        assert!(said.contains("did you mean `query`?"), "{said}");
    }

    #[test]
    fn groups_of_one_relevance_teach_nothing() {
        let rows = |grades: [f64; 4]| {
            frame(Column::numbers(grades.to_vec()), &[Some("a"), Some("a"), Some("b"), Some("c")])
        };
        assert!(check_pairs("grade", "query", &rows([0.0, 1.0, 1.0, 1.0])).is_ok());
        let said = check_pairs("grade", "query", &rows([1.0, 1.0, 0.0, 2.0])).unwrap_err().to_string();
        assert!(
            said.starts_with("target `grade`: no group of `query` has training rows of different"),
            "{said}"
        );
        let target =
            FittedTarget::Rank { name: "grade".into(), column: "grade".into(), group: "query".into() };
        let found = encode("grade", "query", &rows([0.0, 1.0, 1.0, 1.0])).unwrap();
        let said = flat_groups_note(&target, Some(&found)).unwrap();
        assert!(said.starts_with("2 of 3 groups of `query`"), "{said}");
    }
}
