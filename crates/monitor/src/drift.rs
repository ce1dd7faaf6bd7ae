//! Drift of current data from a reference, column by column, by the statistics, defaults, thresholds and verdicts of Evidently
//! 0.7.23.

mod bins;
mod column;
mod dataset;
mod distance;
pub(crate) mod domain;
pub mod embedding;
mod kolmogorov;
mod method;
mod picture;
mod significance;
mod unseen;

#[cfg(test)]
mod tests;

pub(crate) use self::column::score_of_counts;
pub use self::column::{ColumnDrift, ColumnSide, DriftColumnKey, DriftOptions};
pub use self::dataset::{DatasetDrift, MAX_DRIFTED_SHARE};
pub use self::method::DriftMethod;
pub use self::picture::DriftPicture;
pub(crate) use self::significance::student;
