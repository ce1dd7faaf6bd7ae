//! Sketch of one column of any kind.

use serde::{Deserialize, Serialize};

use super::category::CategorySketch;
use super::layout::{ColumnBins, SketchColumn};
use super::number::NumberSketch;
use super::text::TextSketch;

/// Sketch of one column.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ColumnSketch {
    /// Numbers.
    Number(NumberSketch),
    /// Values of a limited set.
    Category(CategorySketch),
    /// Free texts.
    Text(Box<TextSketch>),
}

impl ColumnSketch {
    /// Empty sketch of a column.
    pub fn new(column: &SketchColumn) -> Self {
        match &column.bins {
            ColumnBins::Number(edges) => Self::Number(NumberSketch::new(edges)),
            ColumnBins::Category { values, .. } => Self::Category(CategorySketch::new(values.len())),
            ColumnBins::Text(bins) => Self::Text(Box::new(TextSketch::new(bins))),
        }
    }

    /// Adds a row's number; `None` is missing. Sketches of other kinds ignore it.
    pub fn add_number(&mut self, column: &SketchColumn, value: Option<f64>) {
        if let (Self::Number(sketch), ColumnBins::Number(edges)) = (self, &column.bins) {
            sketch.add(edges, value);
        }
    }

    /// Adds a row's number in 32 bits, as tensors have it; NaN is missing. Sketches of other kinds ignore it.
    pub fn add_single(&mut self, column: &SketchColumn, value: f32) {
        if let (Self::Number(sketch), ColumnBins::Number(edges)) = (self, &column.bins) {
            sketch.add_single(edges, value);
        }
    }

    /// Adds a row's text or category; `None` is missing. Sketches of numbers ignore it.
    pub fn add_text(&mut self, column: &SketchColumn, value: Option<&str>, shows_values: bool) {
        match (self, &column.bins) {
            (Self::Category(sketch), ColumnBins::Category { places, .. }) => match value {
                None => sketch.add_missing(),
                Some(value) => match places.get(value) {
                    Some(place) => sketch.add_known(*place),
                    None => sketch.add_other(value, shows_values),
                },
            },
            (Self::Text(sketch), ColumnBins::Text(bins)) => sketch.add(bins, value),
            _ => {}
        }
    }

    /// Number of rows, those without a value too.
    pub fn rows(&self) -> u64 {
        match self {
            Self::Number(sketch) => sketch.rows(),
            Self::Category(sketch) => sketch.rows(),
            Self::Text(sketch) => sketch.length.rows(),
        }
    }

    /// Rows without a value.
    pub fn missing(&self) -> u64 {
        match self {
            Self::Number(sketch) => sketch.missing,
            Self::Category(sketch) => sketch.missing,
            Self::Text(sketch) => sketch.length.missing,
        }
    }

    /// Adds the rows of another sketch. Returns `false` if kind or bins differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        match (self, other) {
            (Self::Number(own), Self::Number(theirs)) => own.merge(theirs),
            (Self::Category(own), Self::Category(theirs)) => own.merge(theirs),
            (Self::Text(own), Self::Text(theirs)) => own.merge(theirs),
            _ => false,
        }
    }

    /// Reduces quantiles to a few points, for windows that take no more values.
    pub fn seal(&mut self) {
        match self {
            Self::Number(sketch) => sketch.quantiles.seal(),
            Self::Category(_) => {}
            Self::Text(sketch) => {
                sketch.length.quantiles.seal();
                sketch.known.quantiles.seal();
            }
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match self {
            Self::Number(sketch) => sketch.heap_bytes(),
            Self::Category(sketch) => sketch.heap_bytes(),
            Self::Text(sketch) => {
                size_of::<TextSketch>() + sketch.length.heap_bytes() + sketch.known.heap_bytes()
            }
        }
    }

    /// `true` if the numbers of an untrusted document agree with each other.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Number(sketch) => sketch.is_valid(),
            Self::Category(sketch) => sketch.is_valid(),
            Self::Text(sketch) => sketch.is_valid(),
        }
    }
}
