//! Decision about the texts of all columns, from all rows.

mod column;
mod role;

use cupola_spec::{Data, Run};
use indexmap::IndexMap;

pub use self::column::ColumnReading;
use self::column::{ColumnFit, Declared};
use self::role::Role;
use super::rules::ValueRules;
use crate::error::Error;
use crate::frame::Frame;
use crate::frame::parallel::map_items;

/// Rules being fitted: every row is observed once, before anything else is learned.
pub struct ValueRulesFit<'a> {
    run: &'a Run,
    /// Columns that SQL expressions and products use.
    computed: &'a [String],
    columns: IndexMap<String, ColumnFit>,
    rows: usize,
}

impl<'a> ValueRulesFit<'a> {
    /// Starts a fit. `computed` are the columns that expressions use.
    pub fn new(run: &'a Run, computed: &'a [String]) -> Self {
        Self { run, computed, columns: IndexMap::new(), rows: 0 }
    }

    /// Adds rows as their source delivers them.
    pub fn observe(&mut self, frame: &Frame) {
        for name in frame.names() {
            if !self.columns.contains_key(name) {
                let role = Role::of(self.run, self.computed, name);
                self.columns.insert(name.to_owned(), ColumnFit::new(role));
            }
        }
        let (nulls, before) = (&self.run.data.null, self.rows);
        let columns = self.columns.iter_mut().filter_map(|(name, fit)| Some((fit, frame.get(name)?)));
        map_items(columns.collect(), frame.rows(), |(fit, column)| fit.observe(column, nulls, before));
        self.rows += frame.rows();
    }

    /// Decides, and describes what a user may not expect.
    ///
    /// # Errors
    /// [`Error::Input`] for numbers or dates that can be read in two ways, [`Error::Value`] for a column of numbers with
    /// a text that is not one.
    pub fn finish(self) -> Result<(ValueRules, Vec<String>), Error> {
        let declared = Declared::of(&self.run.data);
        let (mut rules, mut notes) = (ValueRules::default(), Vec::new());
        for (name, column) in self.columns {
            if let Some(rule) = column.decide(&name, declared, &mut notes)? {
                rules.0.insert(name, rule);
            }
        }
        Ok((rules, notes))
    }
}

/// Readings of all columns of `frame`, as of columns whose kind follows from their values.
pub fn read_columns(frame: &Frame, data: &Data) -> Vec<(String, ColumnReading)> {
    let read = |name: &str| {
        let mut fit = ColumnFit::new(Role::Inferred);
        fit.observe(frame.get(name)?, &data.null, 0);
        Some((name.to_owned(), fit.reading(name, Declared::of(data))))
    };
    frame.names().filter_map(read).collect()
}

#[cfg(test)]
mod tests;
