//! Numeric values of a column, checked.

use cupola_values::number_text;

use super::{Column, NotANumber};
use crate::error::Error;

/// Remedy for a column that the plan needs and the rows lack.
pub(crate) const SEND_TRAINED_COLUMNS: &str = "send the columns that the model was trained on";

/// The number in a row; `None` if it is missing.
///
/// # Errors
/// [`Error::Value`] for an infinite number or a text that is not a number.
pub(crate) fn finite(name: &str, column: &Column, row: usize) -> Result<Option<f64>, Error> {
    let wrong = |found: String| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a finite number".to_owned(),
        found,
        remedy: "fix the value, or list it in `data.null` if it means a missing one".to_owned(),
    };
    match column.number(row) {
        Ok(Some(value)) if value.is_infinite() => Err(wrong(number_text(value))),
        Ok(value) => Ok(value),
        Err(NotANumber(text)) => Err(wrong(format!("`{text}`"))),
    }
}

/// The number in a row of an image or a series, where none may be missing.
///
/// # Errors
/// [`Error::Value`] for a missing value or one that [`finite`] rejects.
pub(crate) fn required(name: &str, column: &Column, row: usize) -> Result<f64, Error> {
    finite(name, column, row)?.ok_or_else(|| Error::Value {
        row: row + 1,
        column: name.to_owned(),
        expected: "a number".to_owned(),
        found: "nothing".to_owned(),
        remedy: "send every value of the image or the series".to_owned(),
    })
}
