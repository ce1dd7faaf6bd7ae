//! Raw rows that an evaluation needs beside the examples of a split: all values of the subgroup columns, and a sample of
//! whole rows for profiles, error slices and the worst errors.
//!
//! An [`AuditBuilder`] takes rows in memory and rows of a stream alike and holds a bounded sample: every `n`-th row, where
//! `n` doubles whenever the sample grows too large.

mod builder;
pub(super) mod groups;
mod picture;
mod saved;
mod splits;
mod values;

use serde::{Deserialize, Serialize};

use crate::frame::Frame;

pub use self::builder::AuditBuilder;
pub(crate) use self::builder::check_subgroups;
pub(super) use self::splits::audits_rows;
pub use self::values::{AuditColumn, AuditValues};

/// Raw rows of one split.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AuditRows {
    /// Number of rows of the split.
    pub rows: usize,
    /// `true` if row `i` is example `i`; `false` if examples are windows, or rows were dropped.
    pub aligned: bool,
    /// Values of the subgroup columns for all rows; empty unless `aligned`.
    pub groups: Vec<AuditColumn>,
    /// Sample of whole rows.
    pub sample: AuditSample,
}

/// Evenly spaced rows of a split, with derived columns.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct AuditSample {
    /// Index of each row in the split.
    pub positions: Vec<usize>,
    /// Number of each row in its source, from 1.
    pub source_rows: Vec<u64>,
    /// Columns of the rows.
    #[serde(with = "saved")]
    pub frame: Frame,
}
