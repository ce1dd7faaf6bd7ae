//! Running mean and variance.

use serde::{Deserialize, Serialize};

/// Mean of the values so far, updated as river does, so that both round alike.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct RunningMean {
    /// Number of values.
    pub n: f64,
    /// Their mean; 0 without values.
    pub mean: f64,
}

impl RunningMean {
    pub fn update(&mut self, value: f64) {
        self.n += 1.0;
        self.mean += (1.0 / self.n) * (value - self.mean);
    }
}

/// Sample variance of the values so far (Welford 1962).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub(super) struct RunningVariance {
    pub mean: RunningMean,
    squares: f64,
}

impl RunningVariance {
    pub fn update(&mut self, value: f64) {
        let before = self.mean.mean;
        self.mean.update(value);
        self.squares += (value - before) * (value - self.mean.mean);
    }

    /// Variance with `n - 1` in the denominator; 0 for fewer than two values.
    pub fn get(&self) -> f64 {
        if self.mean.n > 1.0 { self.squares / (self.mean.n - 1.0) } else { 0.0 }
    }
}
