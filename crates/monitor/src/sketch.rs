//! Sketches: bounded, mergeable summaries of a stream of values, column by column, beside the reference of the training.
//!
//! A [`SketchLayout`] says which columns are watched and by which bins and categories. A [`SketchTable`] of that layout
//! takes values; tables of the same layout merge, whether they are windows of one server or the same window of several.
//! [`LiveDrift`] compares a column's sketch with its reference.

mod bins;
mod category;
mod column;
mod distance;
mod drift;
mod layout;
mod number;
mod quantile;
mod rules;
mod table;
mod text;

pub use self::category::CategorySketch;
pub use self::column::ColumnSketch;
pub use self::drift::{DriftLimits, LiveDrift, LiveVerdict};
pub use self::layout::{SketchColumn, SketchKind, SketchLayout, SketchRule};
pub use self::number::NumberSketch;
pub use self::quantile::QuantileSketch;
pub use self::rules::{SketchRules, SketchScore};
pub use self::table::SketchTable;
pub use self::text::TextSketch;
