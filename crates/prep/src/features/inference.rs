//! Inference of inputs from the columns of the data.

use std::collections::HashSet;

use cupola_spec::{Encoding, Input, Kind};
use serde::{Deserialize, Serialize};

use super::resolved::ResolvedInput;
use crate::error::Error;
use crate::frame::meaning::{ValueRule, ValueRules};
use crate::frame::{Column, Frame};

/// Most distinct texts of a column that is a category.
const MAX_CATEGORIES: usize = 1000;
/// Most distinct values of a category that is one-hot encoded; larger ones are embedded.
const MAX_ONE_HOT: usize = 64;

/// Result of the inference for one column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InferredColumn {
    /// Name of the column.
    pub column: String,
    /// `number`, `category`, `date`, or `left out`.
    pub kind: String,
    /// Number of distinct values.
    pub distinct: usize,
    /// Number of missing values.
    pub missing: usize,
    /// Encoding of a category, or the reason why the column is left out.
    pub note: String,
}

/// Kind and encoding of a column; `None` if it is left out.
type Choice = Option<(Kind, Option<Encoding>)>;

/// Infers one input per column that is not in `excluded`.
///
/// # Errors
/// [`Error::Input`] if no column can be used.
pub(super) fn infer(
    frame: &Frame,
    rules: &ValueRules,
    excluded: &[&str],
) -> Result<(Vec<ResolvedInput>, Vec<InferredColumn>), Error> {
    let (mut resolved, mut inferred) = (Vec::new(), Vec::new());
    for name in frame.names().filter(|name| !excluded.contains(name)) {
        let Some(column) = frame.get(name) else { continue };
        let (distinct, missing) = count_values(column);
        let is_date = matches!(rules.get(name), Some(ValueRule::Date { .. }))
            || matches!(column, Column::Number { time: true, .. });
        let (choice, note) = if frame.is_inexact(name) && !is_date {
            (None, "integers beyond 2^53, of which numbers lose digits; declare a category")
        } else {
            choose(column, is_date, distinct, missing)
        };
        let kind = match choice {
            Some((Kind::Number, _)) => "number",
            Some((Kind::Date, _)) => "date",
            Some(_) => "category",
            None => "left out",
        };
        if let Some((kind, encode)) = choice {
            let input = Input { encode, ..Input::new(name, kind) };
            resolved.push(ResolvedInput::new(input, vec![name.to_owned()]));
        }
        let (column, kind, note) = (name.to_owned(), kind.to_owned(), note.to_owned());
        inferred.push(InferredColumn { column, kind, distinct, missing, note });
    }
    if resolved.is_empty() {
        let why = "no usable column besides the target; check `data.query` or declare `[[inputs]]`";
        return Err(Error::Input { input: "*".into(), why: why.into() });
    }
    Ok((resolved, inferred))
}

/// Number of distinct and of missing values.
fn count_values(column: &Column) -> (usize, usize) {
    match column {
        Column::Number { values, .. } => {
            let present = values.iter().filter(|v| !v.is_nan());
            let distinct: HashSet<u64> = present.map(|v| (v + 0.0).to_bits()).collect();
            (distinct.len(), values.iter().filter(|v| v.is_nan()).count())
        }
        Column::Text(values) => {
            let distinct: HashSet<&str> = values.iter().flatten().collect();
            (distinct.len(), values.iter().filter(Option::is_none).count())
        }
        Column::Bytes(values) => (0, values.iter().filter(Option::is_none).count()),
    }
}

fn choose(column: &Column, is_date: bool, distinct: usize, missing: usize) -> (Choice, &'static str) {
    let present = column.len() - missing;
    match column {
        Column::Bytes(_) => (None, "files; declare an input of kind `image` or `series`"),
        _ if distinct == 0 => (None, "all values are missing"),
        _ if distinct == 1 && missing == 0 => (None, "one value throughout"),
        _ if is_date => (Some((Kind::Date, None)), "year, month, day, weekday"),
        Column::Number { .. } => (Some((Kind::Number, None)), ""),
        Column::Text(texts) if distinct > MAX_CATEGORIES || distinct > 20.max(present / 2) => {
            if texts.iter().flatten().all(is_time_of_day) {
                return (None, "times of day; write dates with the time, or numbers such as hours");
            }
            (None, "nearly as many values as rows: an identifier or free text")
        }
        Column::Text(_) if distinct > MAX_ONE_HOT => {
            (Some((Kind::Category, Some(Encoding::Index))), "embedding")
        }
        Column::Text(_) => (Some((Kind::Category, None)), "one-hot"),
    }
}

/// `true` for a text such as `9:30` or `09:30:15`.
fn is_time_of_day(text: &str) -> bool {
    let parts: Vec<&str> = text.split(':').collect();
    let digits =
        |part: &&str| (1..=2).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit());
    (2..=3).contains(&parts.len()) && parts.iter().all(digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_day_are_named_as_such() {
        let texts: Vec<String> = (0..60).map(|minute| format!("9:{minute:02}")).collect();
        let column = Column::texts(texts.iter().map(|text| Some(text.as_str())));
        assert!(choose(&column, false, 60, 0).1.starts_with("times of day"));
        for text in ["9", "9:30 Uhr", "1:2:3:4", "a:b", "123:00"] {
            assert!(!is_time_of_day(text), "{text}");
        }
    }
}
