//! Points of plots, at most [`MOST_POINTS`] for each line whatever the number of rows.
//!
//! Rows with equal scores make one point. Longer lines are thinned: points that the eye cannot tell apart are merged
//! along the line, and of the others those stay that the shape rests on. The first and the last point always stay.

mod calibration;
mod classes;
mod histogram;
mod residuals;
#[cfg(test)]
mod tests;
mod thinning;

pub use calibration::{CalibrationPoint, calibration};
pub use classes::{PrecisionRecallPoint, RocPoint, gain, lift, precision_recall, roc};
pub use histogram::{BinnedCounts, histograms};
pub use residuals::{evenly_chosen, qq_points, residuals};
pub use thinning::thinned;

/// Most points of a line.
pub const MOST_POINTS: usize = 500;
