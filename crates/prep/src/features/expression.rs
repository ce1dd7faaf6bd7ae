//! SQL expressions of one row, computed in training and in the server by the same code.
//!
//! The text is parsed by `sqlparser`, which `DataFusion` parses by too, and then means what SQL says:
//! anything with a missing value is missing, except where the operator is about missing values. All
//! numbers are real, so `7 / 2` is 3.5.

mod cell;
mod parse;

use std::collections::BTreeSet;

use crate::error::Error;
use crate::frame::{Column, Frame};

use self::cell::Cell;
use self::parse::Node;

/// An expression that has been understood.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Expression {
    name: String,
    node: Node,
}

impl Expression {
    /// Understands a text; `name` is that of the column it makes.
    pub fn new(name: &str, sql: &str) -> Result<Self, Error> {
        let node = parse::parse(sql).map_err(|why| Error::Feature { name: name.to_owned(), why })?;
        Ok(Self { name: name.to_owned(), node })
    }

    /// Columns that it reads.
    pub fn columns(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        self.node.columns(&mut found);
        found
    }

    /// Its values: numbers, unless there is a text among them. Truth is 1 or 0.
    pub fn apply(&self, frame: &Frame) -> Result<Column, Error> {
        for column in self.columns() {
            frame.require(&column, "check `[[features]]`")?;
        }
        let mut cells = Vec::with_capacity(frame.rows());
        for row in 0..frame.rows() {
            let cell = self.node.eval(frame, row);
            cells.push(cell.map_err(|why| Error::Feature {
                name: self.name.clone(),
                why: format!("row {}: {why}", row + 1),
            })?);
        }
        if self.node.is_text(frame) {
            return Ok(Column::texts(cells.iter().map(Cell::text)));
        }
        let mut numbers = Vec::with_capacity(cells.len());
        for (row, cell) in cells.iter().enumerate() {
            numbers.push(cell.number().map_err(|why| Error::Feature {
                name: self.name.clone(),
                why: format!("row {}: {why}", row + 1),
            })?);
        }
        Ok(Column::numbers(numbers.into_iter().map(|number| number.unwrap_or(f64::NAN)).collect()))
    }
}

#[cfg(test)]
mod tests;
