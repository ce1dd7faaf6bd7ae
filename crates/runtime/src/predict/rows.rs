//! JSON rows as columns, checked against the signature.

mod fast_path;

use cupola_budget::Budget;
use cupola_prep::{Column, ColumnType, Frame, InputColumn, Signature, number_text};
use cupola_spec::did_you_mean;
use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::cost::json_bytes;
use super::tensors::PredictInput;
use crate::error::Error;

/// Bytes of a value in a column.
const CELL: usize = 24;

/// Columns of `signature` from JSON rows. Other keys are ignored; every column must be present, and null stands for a
/// missing value where the signature allows it.
///
/// # Errors
/// [`Error::Value`] for the first invalid value, with row and column.
pub fn frame_of(signature: &Signature, rows: &[Map<String, Value>]) -> Result<Frame, Error> {
    if let Some(error) = missing_keys(signature, rows) {
        return Err(error);
    }
    let mut columns = IndexMap::with_capacity(signature.inputs.len());
    for input in &signature.inputs {
        let column = match input.kind {
            // A number in a string has the spelling of the training data, which the plan reads.
            ColumnType::Number if cells(input, rows).any(|cell| cell.is_string()) => {
                let values = cells(input, rows).map(|cell| cell.number_text());
                Column::texts(values.collect::<Result<Vec<Option<String>>, _>>()?)
            }
            ColumnType::Number => {
                let values = cells(input, rows).map(|cell| cell.number());
                Column::numbers(values.collect::<Result<_, _>>()?)
            }
            ColumnType::Category | ColumnType::Date | ColumnType::Text | ColumnType::File => {
                let values = cells(input, rows).map(|cell| cell.text());
                Column::texts(values.collect::<Result<Vec<Option<String>>, _>>()?)
            }
        };
        columns.insert(input.name.clone(), column);
    }
    Ok(Frame::new(columns))
}

/// Error of the first row without a key of the signature, which names all that it lacks; `None` if rows have all keys.
fn missing_keys(signature: &Signature, rows: &[Map<String, Value>]) -> Option<Error> {
    rows.iter().enumerate().find_map(|(index, row)| {
        let lacks = |input: &&InputColumn| !row.contains_key(&input.name);
        let missing: Vec<&InputColumn> = signature.inputs.iter().filter(lacks).collect();
        let first = missing.first()?;
        let found = match missing[1..].iter().map(|input| input.name.as_str()).collect::<Vec<_>>().as_slice()
        {
            [] => {
                let near = did_you_mean(&first.name, row.keys().map(String::as_str));
                format!("no such key{near}")
            }
            others => format!("no such key, nor `{}`", others.join("`, `")),
        };
        let nullable = missing.iter().any(|input| input.nullable);
        Some(Error::Value {
            row: index + 1,
            column: first.name.clone(),
            expected: "a value",
            found,
            remedy: if nullable { "send null for a missing value" } else { "send it" },
        })
    })
}

struct RowCell<'a> {
    input: &'a InputColumn,
    row: usize,
    value: &'a Value,
}

/// Cells of a column. All rows have its key.
fn cells<'a>(input: &'a InputColumn, rows: &'a [Map<String, Value>]) -> impl Iterator<Item = RowCell<'a>> {
    let cell = move |(index, row): (usize, &'a Map<String, Value>)| {
        let value = row.get(&input.name).unwrap_or(&Value::Null);
        RowCell { input, row: index + 1, value }
    };
    rows.iter().enumerate().map(cell)
}

impl RowCell<'_> {
    fn number(&self) -> Result<f64, Error> {
        match self.value {
            Value::Number(number) => number.as_f64().ok_or_else(|| self.wrong("a number")),
            Value::Null if self.input.nullable => Ok(f64::NAN),
            _ => Err(self.wrong("a number")),
        }
    }

    fn is_string(&self) -> bool {
        self.value.is_string()
    }

    /// Text of a number, for a column with strings.
    fn number_text(&self) -> Result<Option<String>, Error> {
        match self.value {
            Value::String(text) => Ok(Some(text.clone())),
            _ => self.number().map(|number| (!number.is_nan()).then(|| number_text(number))),
        }
    }

    fn text(&self) -> Result<Option<String>, Error> {
        match self.value {
            Value::String(text) => Ok(Some(text.clone())),
            Value::Bool(value) => Ok(Some(value.to_string())),
            Value::Number(number) if number.is_f64() => {
                let text = number.as_f64().and_then(float_text);
                text.map(Some).ok_or_else(|| self.wrong("a whole number below 2^64, or a string"))
            }
            // Whole numbers keep all of their digits.
            Value::Number(number) => Ok(Some(number.to_string())),
            Value::Null if self.input.nullable => Ok(None),
            _ => Err(self.wrong("a string, number or boolean")),
        }
    }

    fn wrong(&self, expected: &'static str) -> Error {
        let mut found = self.value.to_string();
        if found.len() > 60 {
            found = found.chars().take(57).collect::<String>() + "...";
        }
        Error::Value {
            row: self.row,
            column: self.input.name.clone(),
            expected,
            found,
            remedy: "send a value of that type",
        }
    }
}

/// Text of a float as a category; `None` if it stands for a whole number of which the parser has lost digits.
fn float_text(number: f64) -> Option<String> {
    (number.abs() < 18_446_744_073_709_551_616.0 || number.fract() != 0.0).then(|| number_text(number))
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    rows: Vec<Map<String, Value>>,
}

/// Input of a body `{"rows": [{column: value}]}`. `takes_floats` is `true` if one tensor is the network's whole input.
///
/// # Errors
/// [`Error::Body`] for another body, [`Error::Value`] for the first invalid value, [`Error::Exceeded`].
pub(super) fn parse_input(
    signature: &Signature,
    takes_floats: bool,
    body: &[u8],
    budget: &Budget,
) -> Result<PredictInput, Error> {
    let _parsing = budget.take(json_bytes(body))?;
    // The numbers of a single image or series need no columns.
    let floats = if takes_floats { fast_path::floats(signature, body, budget) } else { None };
    let input = match floats {
        Some(floats) => PredictInput::Floats(floats),
        None => PredictInput::Frame(parse_columns(signature, body, budget)?),
    };
    let columns = signature.inputs.len();
    budget.charge(
        (input.rows(columns).saturating_mul(columns).saturating_mul(CELL)).saturating_add(body.len()),
    )?;
    Ok(input)
}

/// Columns of `signature` from a body `{"rows": [{column: value}]}`.
///
/// The fast path takes valid values; a body that it does not take goes through the general path, which says what is
/// wrong.
fn parse_columns(signature: &Signature, body: &[u8], budget: &Budget) -> Result<Frame, Error> {
    if let Some(frame) = fast_path::parse(signature, body, budget) {
        return Ok(frame);
    }
    budget.check()?;
    general_path(signature, body)
}

/// Body of a request for predictions, with the options that a protocol reads by itself.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct PredictBody {
    rows: Vec<Map<String, Value>>,
    #[serde(default, rename = "explain")]
    _explain: serde::de::IgnoredAny,
    #[serde(default, rename = "interval")]
    _interval: serde::de::IgnoredAny,
}

/// Columns by way of JSON values, with an error for whatever is wrong.
fn general_path(signature: &Signature, body: &[u8]) -> Result<Frame, Error> {
    let parsed = serde_json::from_slice(body).map(|PredictBody { rows, .. }| rows);
    frame_of(signature, &parsed.map_err(|error| Error::Body { why: error.to_string() })?)
}

/// Rows of a body `{"rows": [{column: value}]}`, whatever their columns.
///
/// # Errors
/// [`Error::Body`] for another body.
pub fn json_rows(body: &[u8]) -> Result<Vec<Map<String, Value>>, Error> {
    let parsed = serde_json::from_slice(body).map(|Body { rows }| rows);
    parsed.map_err(|error| Error::Body { why: error.to_string() })
}

/// Rows of a body of JSON lines.
///
/// # Errors
/// [`Error::Body`] for the first invalid line.
pub fn json_lines(body: &[u8]) -> Result<Vec<Map<String, Value>>, Error> {
    let rows = serde_json::Deserializer::from_slice(body).into_iter().enumerate();
    rows.map(|(index, row)| row.map_err(|error| Error::Body { why: format!("row {}: {error}", index + 1) }))
        .collect()
}
