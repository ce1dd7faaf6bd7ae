//! Conformal prediction: intervals and sets of classes that hold the target with a stated probability, whatever the model.
//!
//! Scores of calibration rows, which training has not seen, say how far targets are from predictions. The
//! [`quantile`](ConformalScores::quantile) of the scores at a coverage bounds the rows to come, provided that they are
//! exchangeable with the calibration rows (Vovk et al. 2005; Angelopoulos and Bates 2023, "Conformal Prediction: A Gentle
//! Introduction").

mod intervals;
mod scores;
mod sets;

pub use self::intervals::{
    CrossFold, cross_interval, normalised_score, quantile_interval, quantile_score, split_interval,
    split_score,
};
pub use self::scores::{ConformalScores, TooFewScores, interval_coverage, possible_coverage};
pub use self::sets::{ClassScore, class_score, class_set};

#[cfg(test)]
mod tests;
