//! Drift detection method.

use serde::{Deserialize, Serialize};

use super::running::RunningMean;
use super::{ChangeDetector, ChangeLevel};

/// Drift detection method (Gama et al. 2004): the error rate has risen by more than a number of standard deviations above
/// its lowest point. Values are 0 or 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ddm {
    /// Values before a change can be detected.
    pub warm_start: f64,
    /// Standard deviations of a warning.
    pub warning_threshold: f64,
    /// Standard deviations of a drift.
    pub drift_threshold: f64,
    rate: RunningMean,
    /// Rate and its deviation where their sum was lowest.
    lowest: Option<(f64, f64)>,
    level: ChangeLevel,
}

impl Default for Ddm {
    fn default() -> Self {
        Self {
            warm_start: 30.0,
            warning_threshold: 2.0,
            drift_threshold: 3.0,
            rate: RunningMean::default(),
            lowest: None,
            level: ChangeLevel::Stable,
        }
    }
}

impl ChangeDetector for Ddm {
    fn update(&mut self, value: f64) -> ChangeLevel {
        if self.level == ChangeLevel::Drift {
            (self.rate, self.lowest, self.level) = (RunningMean::default(), None, ChangeLevel::Stable);
        }
        self.rate.update(value);
        let p = self.rate.mean;
        let deviation = (p * (1.0 - p) / self.rate.n).max(0.0).sqrt();
        if self.rate.n > self.warm_start {
            let lowest = match self.lowest {
                Some(lowest) if p + deviation > lowest.0 + lowest.1 => lowest,
                _ => (p, deviation),
            };
            self.lowest = Some(lowest);
            let above = |threshold: f64| p + deviation > lowest.0 + threshold * lowest.1;
            self.level = if above(self.drift_threshold) {
                ChangeLevel::Drift
            } else if above(self.warning_threshold) {
                ChangeLevel::Warning
            } else {
                ChangeLevel::Stable
            };
        }
        self.level
    }

    fn level(&self) -> ChangeLevel {
        self.level
    }
}
