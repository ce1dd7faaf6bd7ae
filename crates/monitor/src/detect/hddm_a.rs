//! Drift detection by Hoeffding's bounds with the mean.

use serde::{Deserialize, Serialize};

use super::running::RunningMean;
use super::{ChangeDetector, ChangeLevel};

/// `HDDM_A` (Frías-Blanco et al. 2015): the mean has left that of its best cut by more than Hoeffding's bound. Values are
/// 0 or 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HddmA {
    /// Probability of a false drift.
    pub drift_confidence: f64,
    /// Probability of a false warning.
    pub warning_confidence: f64,
    /// Detects a fall of the errors, too.
    pub two_sided: bool,
    all: RunningMean,
    /// Means up to the cuts for a rise and for a fall.
    cuts: Option<[RunningMean; 2]>,
    level: ChangeLevel,
}

impl Default for HddmA {
    fn default() -> Self {
        Self {
            drift_confidence: 0.001,
            warning_confidence: 0.005,
            two_sided: false,
            all: RunningMean::default(),
            cuts: None,
            level: ChangeLevel::Stable,
        }
    }
}

impl HddmA {
    fn bound(&self, n: f64) -> f64 {
        (1.0 / (2.0 * n) * (1.0 / self.drift_confidence).ln()).sqrt()
    }

    /// `true` if the mean has moved by `distance` since the cut with this confidence.
    #[allow(clippy::float_cmp, reason = "counts")]
    fn moved(&self, cut: &RunningMean, distance: f64, confidence: f64) -> bool {
        if cut.n == self.all.n {
            return false;
        }
        let m = (self.all.n - cut.n) / cut.n * (1.0 / self.all.n);
        distance >= (m / 2.0 * (2.0 / confidence).ln()).sqrt()
    }
}

impl ChangeDetector for HddmA {
    fn update(&mut self, value: f64) -> ChangeLevel {
        if self.level == ChangeLevel::Drift {
            (self.all, self.cuts, self.level) = (RunningMean::default(), None, ChangeLevel::Stable);
        }
        self.all.update(value);
        let all = self.all;
        let [mut low, mut high] = self.cuts.unwrap_or([all, all]);
        let bound = self.bound(all.n);
        if low.mean + self.bound(low.n) >= all.mean + bound {
            low = all;
        }
        if high.mean - self.bound(high.n) <= all.mean - bound {
            high = all;
        }
        self.cuts = Some([low, high]);
        let level = |cut: &RunningMean, distance: f64| {
            if self.moved(cut, distance, self.drift_confidence) {
                ChangeLevel::Drift
            } else if self.moved(cut, distance, self.warning_confidence) {
                ChangeLevel::Warning
            } else {
                ChangeLevel::Stable
            }
        };
        let mut found = level(&low, all.mean - low.mean);
        if self.two_sided {
            found = found.max(level(&high, high.mean - all.mean));
        }
        self.level = found;
        found
    }

    fn level(&self) -> ChangeLevel {
        self.level
    }
}
