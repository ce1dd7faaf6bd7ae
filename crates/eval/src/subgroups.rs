//! Metrics by group of rows, and how far they lie apart.
//!
//! A group is a value of a column, or a combination of values of several columns. Missing values form a group of their
//! own. Definitions of the fairness metrics follow fairlearn; `scripts/golden/fairness.py` writes the values that the tests
//! compare with.

mod column;
mod fairness;
mod gap;
mod groups;

pub use column::{GroupColumn, MISSING};
pub use fairness::{BinaryDecision, fairness};
pub use gap::{GroupGap, gap, ratio};
pub use groups::{GroupMetric, GroupedRows, RowGroup, group_metrics, group_rows};
