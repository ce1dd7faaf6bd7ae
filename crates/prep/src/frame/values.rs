//! Values of a column that have to be numbers.

use super::{Column, number_text};
use crate::error::Error;

/// Remedy for a column that is missing where the plan needs it.
pub(crate) const SEND: &str = "send the columns that the model was trained on";

/// The number at a row, `None` where it is missing; never infinite.
pub(crate) fn finite(name: &str, column: &Column, row: usize) -> Result<Option<f64>, Error> {
    let wrong = |found: String| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a finite number".to_owned(),
        found,
        remedy: "mend the value, or leave it empty for missing".to_owned(),
    };
    match column.number(row) {
        Ok(Some(value)) if value.is_infinite() => Err(wrong(number_text(value))),
        Ok(value) => Ok(value),
        Err(text) => Err(wrong(format!("`{text}`"))),
    }
}

pub(crate) fn pixel(name: &str, column: &Column, row: usize) -> Result<f64, Error> {
    finite(name, column, row)?.ok_or_else(|| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a number".to_owned(),
        found: "nothing".to_owned(),
        remedy: "send every value of the image or the series".to_owned(),
    })
}
