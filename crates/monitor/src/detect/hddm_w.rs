//! Drift detection by `McDiarmid`'s bounds with a weighted mean.

use serde::{Deserialize, Serialize};

use super::{ChangeDetector, ChangeLevel};

/// `HDDM_W` (Frías-Blanco et al. 2015): the exponentially weighted mean has left that of its best cut by more than
/// `McDiarmid`'s bound. Values are 0 or 1.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HddmW {
    /// Probability of a false drift.
    pub drift_confidence: f64,
    /// Probability of a false warning.
    pub warning_confidence: f64,
    /// Weight of a new value.
    pub lambda: f64,
    /// Detects a fall of the errors, too.
    pub two_sided: bool,
    all: WeightedMean,
    rise: Cut,
    fall: Cut,
    level: ChangeLevel,
}

/// Weighted means before and after a cut.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
struct Cut {
    /// Bound of the mean at the cut; `None` before the first value.
    bound: Option<f64>,
    before: WeightedMean,
    after: WeightedMean,
}

impl Cut {
    /// Moves the cut to the newest value if `bound` is better than its own.
    fn update(&mut self, all: WeightedMean, bound: f64, better: bool, value: f64, lambda: f64) {
        if better {
            *self = Self { bound: Some(bound), before: all, after: WeightedMean::default() };
        } else {
            self.after.update(value, lambda);
        }
    }
}

/// Exponentially weighted mean with the sum of its squared weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct WeightedMean {
    mean: f64,
    filled: bool,
    squares: f64,
}

impl Default for WeightedMean {
    fn default() -> Self {
        Self { mean: 0.0, filled: false, squares: 1.0 }
    }
}

impl WeightedMean {
    fn update(&mut self, value: f64, lambda: f64) {
        self.mean = if self.filled { lambda * value + (1.0 - lambda) * self.mean } else { value };
        self.filled = true;
        self.squares = lambda * lambda + (1.0 - lambda).powi(2) * self.squares;
    }
}

impl Default for HddmW {
    fn default() -> Self {
        Self {
            drift_confidence: 0.001,
            warning_confidence: 0.005,
            lambda: 0.05,
            two_sided: false,
            all: WeightedMean::default(),
            rise: Cut::default(),
            fall: Cut::default(),
            level: ChangeLevel::Stable,
        }
    }
}

fn bound(squares: f64, confidence: f64) -> f64 {
    (squares * (1.0 / confidence).ln() / 2.0).sqrt()
}

impl HddmW {
    /// Level of a rise from the first mean to the second.
    fn rise_between(&self, low: &WeightedMean, high: &WeightedMean) -> ChangeLevel {
        let rose = |confidence| {
            low.filled && high.filled && high.mean - low.mean > bound(low.squares + high.squares, confidence)
        };
        if rose(self.drift_confidence) {
            ChangeLevel::Drift
        } else if rose(self.warning_confidence) {
            ChangeLevel::Warning
        } else {
            ChangeLevel::Stable
        }
    }
}

impl ChangeDetector for HddmW {
    fn update(&mut self, value: f64) -> ChangeLevel {
        if self.level == ChangeLevel::Drift {
            (self.all, self.rise, self.fall) = (WeightedMean::default(), Cut::default(), Cut::default());
        }
        self.all.update(value, self.lambda);
        let (all, lambda) = (self.all, self.lambda);
        let margin = bound(all.squares, self.drift_confidence);
        let upper = all.mean + margin;
        self.rise.update(all, upper, self.rise.bound.is_none_or(|own| upper < own), value, lambda);
        let lower = all.mean - margin;
        self.fall.update(all, lower, self.fall.bound.is_none_or(|own| lower > own), value, lambda);
        self.level = self.rise_between(&self.rise.before, &self.rise.after);
        if self.two_sided {
            self.level = self.level.max(self.rise_between(&self.fall.after, &self.fall.before));
        }
        self.level
    }

    fn level(&self) -> ChangeLevel {
        self.level
    }
}
