//! Estimates of performance before the targets are known, and realised performance where they are.
//!
//! Rows are cut into chunks ([`Chunking`]). For each chunk and metric there is an estimate with its confidence bounds, the
//! realised value where targets exist, and thresholds from the chunks of the reference: mean plus and minus three standard
//! deviations of the realised values. A classifier is estimated by [`Cbpe`] from its own calibrated probabilities, a
//! regression by [`Dle`] from the errors that another model expects. Numbers equal those of `NannyML` 0.13.

mod calibrate;
mod cbpe;
mod chunks;
mod classified;
mod dle;
pub mod late;
mod realised;
mod sampling;
mod threshold;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

pub use self::cbpe::{Cbpe, realised_classifier};
pub use self::chunks::{ChunkPeriod, ChunkRows, Chunking};
pub use self::classified::{ClassifierMetric, ClassifierRows};
pub use self::dle::{Dle, ErrorKind, ErrorRows, RegressorMetric, realised_regressor};
pub use self::threshold::AlertBand;

/// Standard errors from an estimate to its confidence bounds.
const CONFIDENCE_ERRORS: f64 = 3.0;

/// Performance in a chunk of rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChunkPerformance {
    /// Name of the chunk: its rows, such as `[0:499]`, or its period, such as `2026-11`.
    pub key: String,
    /// Number of rows.
    pub rows: usize,
    /// Number of rows with a target.
    pub labelled: usize,
    /// Values by metric.
    pub metrics: IndexMap<String, MetricEstimate>,
}

impl ChunkPerformance {
    /// Metrics outside of their thresholds, with their values.
    pub fn alerts(&self) -> impl Iterator<Item = (&str, &MetricEstimate)> {
        let outside = |(_, own): &(&String, &MetricEstimate)| own.alert || own.realised_alert;
        self.metrics.iter().filter(outside).map(|(name, own)| (name.as_str(), own))
    }
}

/// Estimate of a metric, and its value where targets are known.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct MetricEstimate {
    /// Estimated value.
    pub estimate: Option<f64>,
    /// Standard error that is due to the size of the chunk.
    pub sampling_error: Option<f64>,
    /// Value by the known targets.
    pub realised: Option<f64>,
    /// Lower bound: the estimate less three standard errors.
    pub lower_confidence: Option<f64>,
    /// Upper bound: the estimate plus three standard errors.
    pub upper_confidence: Option<f64>,
    /// Value below which there is an alert.
    pub lower_threshold: Option<f64>,
    /// Value above which there is an alert.
    pub upper_threshold: Option<f64>,
    /// `true` if the estimate is outside the thresholds.
    pub alert: bool,
    /// `true` if the realised value is outside the thresholds.
    pub realised_alert: bool,
}

impl MetricEstimate {
    /// Realised value alone; `None` for NaN.
    fn of_realised(value: f64) -> Self {
        Self { realised: Some(value).filter(|value| value.is_finite()), ..Self::default() }
    }

    /// Bounds and alerts of an estimate whose metric lies in a range.
    fn new(estimate: f64, sampling_error: f64, realised: f64, band: &AlertBand, range: (f64, f64)) -> Self {
        let finite = |value: f64| Some(value).filter(|value| value.is_finite());
        let margin = CONFIDENCE_ERRORS * sampling_error;
        // Without a margin there are no bounds; `max` and `min` would replace NaN by the range.
        let bound = |value: f64| finite(value).map(|value| value.clamp(range.0, range.1));
        Self {
            estimate: finite(estimate),
            sampling_error: finite(sampling_error),
            realised: finite(realised),
            lower_confidence: bound(estimate - margin),
            upper_confidence: bound(estimate + margin),
            lower_threshold: band.lower,
            upper_threshold: band.upper,
            alert: band.is_outside(estimate),
            realised_alert: band.is_outside(realised),
        }
    }
}

#[cfg(test)]
mod tests;
