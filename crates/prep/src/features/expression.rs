//! SQL expressions over one row, computed in training and in the server by the same code.
//!
//! `sqlparser`, the parser of `DataFusion`, reads the text. Semantics are SQL's: an operator with a missing
//! operand gives a missing value unless it tests for missing values. All numbers are real, so `7 / 2` is 3.5.

mod eval;
mod functions;
mod node;
mod parse;
mod value;

use std::collections::BTreeSet;

use cupola_values::{DecimalMark, parse_number};

use crate::error::Error;
use crate::frame::{Column, Frame, shortened};

use self::node::Node;
use self::value::{ExpressionError, SqlValue};

/// Parsed expression of a computed column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    name: String,
    node: Node,
}

impl Expression {
    /// Parses the expression of the column `name`.
    ///
    /// # Errors
    /// [`Error::Feature`] for SQL that is invalid or not supported.
    pub fn new(name: &str, sql: &str) -> Result<Self, Error> {
        let invalid =
            |error: ExpressionError| Error::Feature { name: name.to_owned(), why: error.to_string() };
        Ok(Self { name: name.to_owned(), node: parse::parse(sql).map_err(invalid)? })
    }

    /// Columns that the expression reads.
    pub fn columns(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.node.columns(&mut found);
        found
    }

    /// Computes a column: texts if the expression is a text, else numbers with 1 for true and 0 for false.
    ///
    /// # Errors
    /// [`Error::Column`] for a missing column, [`Error::Feature`] for a text that is not a number.
    pub fn apply(&self, frame: &Frame) -> Result<Column, Error> {
        for column in self.columns() {
            frame.require(&column, "check `[[features]]`")?;
        }
        let in_row = |row: usize| move |error: ExpressionError| self.not_computed(frame, row, &error);
        let values: Vec<SqlValue> = (0..frame.rows())
            .map(|row| self.node.eval(frame, row).map_err(in_row(row)))
            .collect::<Result<_, _>>()?;
        if self.node.is_text(frame) {
            return Ok(Column::texts(values.iter().map(SqlValue::text)));
        }
        let mut numbers = Vec::with_capacity(values.len());
        for (row, value) in values.iter().enumerate() {
            numbers.push(value.number().map_err(in_row(row))?.unwrap_or(f64::NAN));
        }
        Ok(Column::numbers(numbers))
    }

    /// Error of a row: of the text that is used as a number, if a column has it.
    fn not_computed(&self, frame: &Frame, row: usize, error: &ExpressionError) -> Error {
        let text_in = |column: String| match frame.get(&column) {
            Some(values @ Column::Text(_)) => {
                let text = values.text(row).filter(|text| text.trim().parse::<f64>().is_err())?;
                Some((column, text.into_owned()))
            }
            _ => None,
        };
        let Some((column, text)) = self.columns().into_iter().find_map(text_in) else {
            return Error::Feature { name: self.name.clone(), why: format!("row {}: {error}", row + 1) };
        };
        let remedy = if parse_number(&text, DecimalMark::Point).is_some() {
            format!("write `numbers = [{column:?}]` under `[clean]` to read it as one")
        } else {
            "fix it, or list it in `data.null` if it means a missing value".to_owned()
        };
        let expected = format!("a number for the feature `{}`", self.name);
        Error::Value { row: row + 1, column, expected, found: format!("`{}`", shortened(&text)), remedy }
    }
}

#[cfg(test)]
mod tests;
