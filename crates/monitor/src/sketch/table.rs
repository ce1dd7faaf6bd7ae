//! Sketches of all columns.

use serde::{Deserialize, Serialize};

use super::column::ColumnSketch;
use super::layout::SketchLayout;
use crate::error::Error;

/// Sketches of all columns of a layout.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct SketchTable {
    /// [`SketchLayout::digest`] of the layout.
    pub layout: String,
    /// Rows that were observed.
    pub rows: u64,
    /// One sketch per column of the layout.
    pub columns: Vec<ColumnSketch>,
}

impl SketchTable {
    /// Empty sketches.
    pub fn new(layout: &SketchLayout) -> Self {
        let columns = layout.columns.iter().map(ColumnSketch::new).collect();
        Self { layout: layout.digest(), rows: 0, columns }
    }

    /// Adds the rows of sketches of the same layout, such as those of another server or of another window.
    ///
    /// # Errors
    /// [`Error::Merge`] for another layout; nothing is added then.
    pub fn merge(&mut self, other: &Self) -> Result<(), Error> {
        if self.layout != other.layout || self.columns.len() != other.columns.len() {
            let what = "two tables".to_owned();
            return Err(Error::Merge { what, why: "their columns, bins or categories are not the same" });
        }
        let mut merged = self.columns.clone();
        for (at, (own, theirs)) in merged.iter_mut().zip(&other.columns).enumerate() {
            if !own.merge(theirs) {
                return Err(Error::Merge {
                    what: format!("column {}", at + 1),
                    why: "their bins are not the same",
                });
            }
        }
        self.columns = merged;
        self.rows = self.rows.saturating_add(other.rows);
        Ok(())
    }

    /// Checks that sketches of an untrusted document fit a layout.
    ///
    /// # Errors
    /// [`Error::Merge`] for another layout, [`Error::Sketch`] for numbers that contradict each other.
    pub fn check(&self, layout: &SketchLayout) -> Result<(), Error> {
        // Merging with empty sketches compares layout, kinds and bins.
        Self::new(layout).merge(self)?;
        match self.columns.iter().position(|sketch| !sketch.is_valid()) {
            Some(at) => {
                let name = layout.columns.get(at).map_or_else(String::new, super::SketchColumn::label);
                Err(Error::Sketch(format!("the numbers of column `{name}` contradict each other")))
            }
            None => Ok(()),
        }
    }

    /// Reduces quantiles to a few points, for windows that take no more values.
    pub fn seal(&mut self) {
        self.columns.iter_mut().for_each(ColumnSketch::seal);
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        let columns: usize = self.columns.iter().map(ColumnSketch::heap_bytes).sum();
        columns + self.columns.capacity() * size_of::<ColumnSketch>() + self.layout.capacity()
    }
}
