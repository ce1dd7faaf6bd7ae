//! Intervals and sets of predictions.

use std::sync::Arc;

use cupola_prep::Predictions;
use cupola_runtime::{IntervalRequest, LoadedPackage};

use super::PredictResponse;
use crate::error::Error;

/// Coverage that a model has for a request's intervals.
///
/// # Errors
/// [`Error::Interval`] for a model without intervals, or without enough calibration rows.
pub fn checked_coverage(model: &LoadedPackage, request: IntervalRequest) -> Result<f64, Error> {
    model.interval_coverage(request).map_err(Error::Interval)
}

impl PredictResponse {
    /// Adds intervals and sets of a coverage to the typed predictions.
    ///
    /// # Errors
    /// [`Error::Interval`] if the version has no such intervals, [`Error::Inference`].
    pub fn add_intervals(&self, coverage: f64, predictions: &mut [Predictions]) -> Result<(), Error> {
        let added = self.version.model.add_intervals(coverage, &self.input, predictions);
        added.map_err(interval_error)
    }
}

pub(super) fn interval_error(error: cupola_runtime::Error) -> Error {
    use cupola_runtime::Error as E;
    match error {
        E::NoIntervals | E::Coverage { .. } | E::TooFewScores { .. } => Error::Interval(error),
        E::NotFinite { .. } => Error::Row(error),
        error => Error::Inference(Arc::new(error)),
    }
}
