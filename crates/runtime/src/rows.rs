//! JSON rows as a frame, checked against the signature.

mod straight;

use cupola_prep::{Column, ColumnType, Frame, InputColumn, Signature, number_text};
use indexmap::IndexMap;
use serde_json::{Map, Value};

use crate::error::Error;
use crate::sealed::Sealed;
use crate::tensors::Input;

/// The columns of `signature` from JSON rows; other keys are left alone. Every column has to be
/// there; null stands for a missing value where the signature allows it.
///
/// # Errors
/// [`Error::Value`] for the first value that does not fit, with row and column.
pub fn frame_of(signature: &Signature, rows: &[Map<String, Value>]) -> Result<Frame, Error> {
    let mut columns = IndexMap::with_capacity(signature.inputs.len());
    for input in &signature.inputs {
        let column = match input.kind {
            ColumnType::Number => {
                let values = cells(input, rows).map(|cell| cell.and_then(|c| c.number()));
                Column::numbers(values.collect::<Result<_, _>>()?)
            }
            ColumnType::Category | ColumnType::Text | ColumnType::File => {
                let values = cells(input, rows).map(|cell| cell.and_then(|c| c.text()));
                Column::texts(values.collect::<Result<Vec<Option<String>>, _>>()?)
            }
        };
        columns.insert(input.name.clone(), column);
    }
    Ok(Frame::new(columns))
}

struct Cell<'a> {
    input: &'a InputColumn,
    row: usize,
    value: &'a Value,
}

fn cells<'a>(
    input: &'a InputColumn,
    rows: &'a [Map<String, Value>],
) -> impl Iterator<Item = Result<Cell<'a>, Error>> {
    rows.iter().enumerate().map(move |(index, row)| match row.get(&input.name) {
        Some(value) => Ok(Cell { input, row: index + 1, value }),
        None => Err(Error::Value {
            row: index + 1,
            column: input.name.clone(),
            expected: "a value",
            found: "no such key".to_owned(),
            remedy: if input.nullable { "send null for a missing value" } else { "send it" },
        }),
    })
}

impl Cell<'_> {
    fn number(&self) -> Result<f64, Error> {
        match self.value {
            Value::Number(number) => number.as_f64().ok_or_else(|| self.wrong("a number")),
            Value::Null if self.input.nullable => Ok(f64::NAN),
            _ => Err(self.wrong("a number")),
        }
    }

    fn text(&self) -> Result<Option<String>, Error> {
        match self.value {
            Value::String(text) => Ok(Some(text.clone())),
            Value::Bool(value) => Ok(Some(value.to_string())),
            Value::Number(number) => {
                number.as_f64().map(|x| Some(number_text(x))).ok_or_else(|| self.wrong("a category"))
            }
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

/// A body that holds no rows for a model.
#[derive(Debug)]
pub enum Malformed {
    /// It is no `{"rows": [{column: value}]}`.
    Json(serde_json::Error),
    /// A value does not fit.
    Value(Error),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    rows: Vec<Map<String, Value>>,
}

impl Sealed {
    /// What the bytes of `{"rows": [{column: value}]}` are to the plan.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn parsed(&self, body: &[u8]) -> Result<Input, Malformed> {
        // A single picture of numbers needs no columns.
        let floats = if self.takes_floats() { straight::floats(&self.signature, body) } else { None };
        floats.map_or_else(
            || parsed(&self.signature, body).map(Input::Frame),
            |floats| Ok(Input::Floats(floats)),
        )
    }
}

/// The columns of `signature` from the bytes of `{"rows": [{column: value}]}`.
///
/// Values that are as they should be go straight to their columns; anything else is read once more, with
/// care, for a message.
///
/// # Errors
/// [`Malformed`].
pub(crate) fn parsed(signature: &Signature, body: &[u8]) -> Result<Frame, Malformed> {
    if let Some(frame) = straight::parse(signature, body) {
        return Ok(frame);
    }
    let rows = json_rows(body).map_err(Malformed::Json)?;
    frame_of(signature, &rows).map_err(Malformed::Value)
}

/// The rows of `{"rows": [{column: value}]}`, whatever their columns.
///
/// # Errors
/// What is wrong with the JSON.
pub fn json_rows(body: &[u8]) -> Result<Vec<Map<String, Value>>, serde_json::Error> {
    serde_json::from_slice(body).map(|Body { rows }| rows)
}

/// The rows of one JSON object after another.
///
/// # Errors
/// What is wrong with which row.
pub fn json_lines(body: &[u8]) -> Result<Vec<Map<String, Value>>, String> {
    let rows = serde_json::Deserializer::from_slice(body).into_iter().enumerate();
    rows.map(|(index, row)| row.map_err(|error| format!("row {}: {error}", index + 1))).collect()
}
