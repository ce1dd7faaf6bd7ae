//! Thresholds of alerts.

use serde::{Deserialize, Serialize};

/// Standard deviations from the mean of the reference to a threshold.
const DEVIATIONS: f64 = 3.0;

/// Range of values without an alert.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct AlertBand {
    /// Value below which there is an alert.
    pub lower: Option<f64>,
    /// Value above which there is an alert.
    pub upper: Option<f64>,
}

impl AlertBand {
    /// Mean plus and minus three standard deviations of the finite values, within the range of the metric. No thresholds
    /// without values.
    #[allow(clippy::cast_precision_loss, reason = "chunks are few")]
    pub fn of_values(values: &[f64], range: (f64, f64)) -> Self {
        let values: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
        if values.is_empty() {
            return Self::default();
        }
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let deviation = (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt();
        let at = |value: f64| Some(value.clamp(range.0, range.1));
        Self { lower: at(mean - DEVIATIONS * deviation), upper: at(mean + DEVIATIONS * deviation) }
    }

    /// `true` if a value is below the lower or above the upper threshold; `false` for NaN.
    pub fn is_outside(&self, value: f64) -> bool {
        self.lower.is_some_and(|lower| value < lower) || self.upper.is_some_and(|upper| value > upper)
    }
}
