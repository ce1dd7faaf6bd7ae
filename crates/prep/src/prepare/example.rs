//! Example of a request: a real row of the data, which documentation, page and commands show.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cupola_values::clock_at;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::frame::meaning::ValueRule;
use crate::frame::{Column, Frame};
use crate::plan::{ColumnType, InputColumn, Plan, Signature};
use crate::target::FittedTarget;
use crate::transform::picture_copy;

/// Rows among which the one with the fewest missing values is chosen.
const SEARCHED_ROWS: usize = 200;
/// Letters of the longest text of an example. A longer one is cut at a blank.
const TEXT_LETTERS: usize = 600;
/// Letters of the beginning of a text that a language model continues.
const PROMPT_LETTERS: usize = 80;
/// Bytes of the largest file of an example. A larger picture is replaced by a smaller copy.
const FILE_BYTES: usize = 24 << 10;
/// Most columns of numbers whose ranges are kept.
const RANGED_COLUMNS: usize = 2048;

/// Rows of the data as a request has them, and the ranges of their numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestExample {
    /// One row that training has not seen, or the rows of one window, in the order of time.
    pub rows: Vec<Map<String, Value>>,
    /// Smallest and largest value of each column of numbers in the training rows.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ranges: BTreeMap<String, [f64; 2]>,
    /// Currency with which the numbers of a column are written.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub units: BTreeMap<String, String>,
}

impl RequestExample {
    /// Example from raw rows with canonical values. `candidates` are the rows to choose from: if the model takes windows,
    /// those of one series in the order of time. `None` if no row has all values that the model requires.
    pub(super) fn of(plan: &Plan, frame: &Frame, candidates: &[usize]) -> Option<Self> {
        let signature = Signature::of(plan);
        let prompt = matches!(plan.targets.first(), FittedTarget::NextToken { .. });
        let json = |row: usize| json_row(plan, &signature, frame, row, prompt);
        let rows = if let Some(window) = plan.window() {
            let first = candidates.len().checked_sub(window)?;
            candidates[first..].iter().map(|&row| json(row)).collect::<Option<Vec<_>>>()?
        } else {
            let complete = |row: &&usize| has_targets(plan, frame, **row);
            let missing = |row: &&usize| {
                let values = signature.inputs.iter().filter_map(|input| frame.get(&input.name));
                values.filter(|values| values.is_missing(**row)).count()
            };
            let some = candidates.iter().take(SEARCHED_ROWS).filter(complete);
            let mut ordered: Vec<&usize> = some.collect();
            ordered.sort_by_key(missing);
            vec![ordered.into_iter().find_map(|&row| json(row))?]
        };
        Some(Self { rows, ..Self::default() })
    }

    /// The example with the ranges of the numbers of training rows, which have canonical values.
    #[must_use]
    pub(super) fn with_ranges(mut self, plan: &Plan, frame: &Frame, train: &[usize]) -> Self {
        let signature = Signature::of(plan);
        let numbers = signature.inputs.iter().filter(|input| input.kind == ColumnType::Number);
        for input in numbers.take(RANGED_COLUMNS) {
            let Some(Column::Number { values, .. }) = frame.get(&input.name) else { continue };
            let present = || train.iter().map(|&row| values[row]).filter(|value| value.is_finite());
            let (low, high) = present().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
                (low.min(value), high.max(value))
            });
            if low <= high {
                self.ranges.insert(input.name.clone(), [low, high]);
            }
        }
        self
    }

    /// The example with the currencies that the numbers of raw rows are written with, those of the targets too.
    #[must_use]
    pub(super) fn with_units(mut self, plan: &Plan, raw: &Frame) -> Self {
        let columns = self.rows.iter().take(1).flat_map(|row| row.keys().cloned());
        let targets = plan.targets.iter().filter_map(FittedTarget::column).map(str::to_owned);
        let is_number = |name: &String| {
            matches!(plan.values.get(name), Some(ValueRule::Number { .. }))
                || plan.derive.parses_numbers(name)
        };
        for name in columns.chain(targets).filter(is_number).collect::<Vec<_>>() {
            if let Some(unit) = raw.get(&name).and_then(currency) {
                self.units.insert(name, unit);
            }
        }
        self
    }
}

/// `true` if a row has the values that the model learns.
fn has_targets(plan: &Plan, frame: &Frame, row: usize) -> bool {
    plan.targets
        .iter()
        .filter(|target| !matches!(target, FittedTarget::Reconstruct { .. }))
        .filter_map(FittedTarget::column)
        .all(|column| frame.get(column).is_none_or(|values| !values.is_missing(row)))
}

/// Row as JSON; `None` if a value that the model requires is missing, or a file is too large.
fn json_row(
    plan: &Plan,
    signature: &Signature,
    frame: &Frame,
    row: usize,
    prompt: bool,
) -> Option<Map<String, Value>> {
    let letters = if prompt { PROMPT_LETTERS } else { TEXT_LETTERS };
    let cell = |input: &InputColumn| {
        let values = frame.get(&input.name)?;
        if values.is_missing(row) {
            return input.nullable.then_some(Value::Null);
        }
        match values {
            Column::Bytes(_) => file(plan, &input.name, values, row),
            Column::Text(texts) if input.kind == ColumnType::File => {
                (texts.value(row).len() <= 2 * FILE_BYTES).then(|| texts.value(row).into())
            }
            Column::Text(texts) => Some(shortened(texts.value(row), letters).into()),
            Column::Number { values, time: true } if input.kind != ColumnType::Number => {
                Some(clock_text(values[row])?.into())
            }
            Column::Number { values, .. } => Some(number(values[row])),
        }
    };
    signature.inputs.iter().map(|input| Some((input.name.clone(), cell(input)?))).collect()
}

/// Number without a fraction if it is whole.
fn number(value: f64) -> Value {
    #[allow(clippy::cast_possible_truncation, reason = "whole numbers below 2^53 are exact")]
    if value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0 {
        Value::from(value as i64)
    } else {
        Value::from(value)
    }
}

/// Date and time as in ISO 8601; the date alone at midnight.
fn clock_text(seconds: f64) -> Option<String> {
    let clock = clock_at(seconds)?;
    let midnight = clock.time() == jiff::civil::Time::midnight();
    Some(if midnight { clock.date().to_string() } else { clock.to_string() })
}

/// Beginning of a text, cut at a blank.
fn shortened(text: &str, letters: usize) -> &str {
    let Some((end, _)) = text.char_indices().nth(letters) else { return text };
    let cut = &text[..end];
    cut.rfind(char::is_whitespace).filter(|at| *at > 0).map_or(cut, |at| &cut[..at])
}

/// File in base64: as it is if it is small, a smaller copy of a larger picture.
fn file(plan: &Plan, name: &str, values: &Column, row: usize) -> Option<Value> {
    let Column::Bytes(files) = values else { return None };
    let bytes = files.value(row);
    if bytes.len() <= FILE_BYTES {
        return Some(STANDARD.encode(bytes).into());
    }
    let copy = plan.inputs.iter().find_map(|input| picture_copy(input, name, values, row))?;
    (copy.len() <= 2 * FILE_BYTES).then(|| STANDARD.encode(copy).into())
}

/// Currency that stands beside all of the first numbers of a column of texts: `$` of `$898.20`.
fn currency(values: &Column) -> Option<String> {
    let Column::Text(texts) = values else { return None };
    let beside = |text: &str| -> Option<String> {
        text.chars().any(|letter| letter.is_ascii_digit()).then_some(())?;
        let rest: String =
            text.chars().filter(|letter| !"0123456789.,'-+() \u{a0}\u{2212}".contains(*letter)).collect();
        let sign =
            rest.chars().count() == 1 && !rest.contains(|letter: char| letter.is_ascii() && letter != '$');
        let code = rest.len() == 3 && rest.bytes().all(|byte| byte.is_ascii_uppercase());
        (sign || code).then_some(rest)
    };
    let mut found = texts.iter().flatten().filter(|text| !text.trim().is_empty()).take(50).map(beside);
    let first = found.next()??;
    found.all(|other| other.as_deref() == Some(&first)).then_some(first)
}

#[cfg(test)]
mod tests {
    use cupola_spec::parse;

    use super::super::prepare;
    use super::*;

    fn example(inputs: &str, frame: &Frame) -> Option<RequestExample> {
        let text = format!(
            "name = 'x'\n[data]\nsource = 'x.csv'\n{inputs}\n[[targets]]\nname = 'y'\nkind = 'category'\n\
             [model]\nfamily = 'mlp'\nhidden = [4]\n"
        );
        let run =
            parse("run.toml", &text, &[], &|_| Err(String::new())).unwrap_or_else(|all| panic!("{all}"));
        prepare(&run, frame, None, None).unwrap().example
    }

    fn rows() -> Frame {
        let day = |row: usize| Some(format!("2024-03-{:02}", 1 + row % 28));
        let price = |row: usize| (!row.is_multiple_of(5)).then(|| format!("${}.50", 100 + row));
        Frame::default()
            .with("size", Column::numbers((0_u32..60).map(|row| f64::from(row) / 2.0).collect()))
            .with("day", Column::texts((0..60).map(day)))
            .with("price", Column::texts((0..60).map(price)))
            .with("y", Column::texts((0..60).map(|row| Some(["a", "b"][row % 2]))))
    }

    #[test]
    fn the_example_is_a_complete_row_of_the_data_as_it_is_written() {
        let found = example("", &rows()).unwrap();
        let [row] = found.rows.as_slice() else { panic!("{:?}", found.rows) };
        assert!(row["day"].as_str().unwrap().starts_with("2024-03-"), "{row:?}");
        assert!(!row["price"].is_null() && !row.contains_key("y"), "{row:?}");
        let size = row["size"].as_f64().unwrap();
        let [low, high] = found.ranges["size"];
        assert!((0.0..=29.5).contains(&size) && low >= 0.0 && high <= 29.5 && low < high, "{found:?}");
        assert_eq!(found.units["price"], "$");
        assert!(!found.units.contains_key("day"), "{:?}", found.units);
    }

    #[test]
    fn private_data_has_no_example() {
        assert_eq!(example("example = false", &rows()), None);
    }

    #[test]
    fn long_texts_are_cut_at_a_blank() {
        assert_eq!(shortened("one two three", 9), "one two");
        assert_eq!(shortened("one two", 9), "one two");
        assert_eq!(shortened("äöüäöüäöü", 4), "äöüä");
        assert_eq!(clock_text(86_400.0).as_deref(), Some("1970-01-02"));
        assert_eq!(clock_text(90.5).as_deref(), Some("1970-01-01T00:01:30.5"));
        assert_eq!([number(3.0), number(0.5)], [Value::from(3), Value::from(0.5)]);
    }
}
