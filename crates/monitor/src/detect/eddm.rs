//! Early drift detection method.

use serde::{Deserialize, Serialize};

use super::running::RunningVariance;
use super::{ChangeDetector, ChangeLevel};

/// Early drift detection method (Baena-García et al. 2006): the distance between errors has fallen below a share of its
/// largest. Values are 1 (error) or anything else.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Eddm {
    /// Errors before a change can be detected.
    pub warm_start: u64,
    /// Share of the largest distance below which there is a warning.
    pub alpha: f64,
    /// Share of the largest distance below which there is a drift.
    pub beta: f64,
    distances: RunningVariance,
    seen: u64,
    last_error: u64,
    errors: u64,
    /// Largest mean of the distances plus two deviations.
    largest: f64,
    level: ChangeLevel,
}

impl Default for Eddm {
    fn default() -> Self {
        Self {
            warm_start: 30,
            alpha: 0.95,
            beta: 0.9,
            distances: RunningVariance::default(),
            seen: 0,
            last_error: 0,
            errors: 0,
            largest: -1.0,
            level: ChangeLevel::Stable,
        }
    }
}

impl ChangeDetector for Eddm {
    #[allow(clippy::float_cmp, reason = "an error is exactly 1")]
    #[allow(clippy::cast_precision_loss, reason = "a distance is far below 2^53")]
    fn update(&mut self, value: f64) -> ChangeLevel {
        if self.level == ChangeLevel::Drift {
            let (warm_start, alpha, beta) = (self.warm_start, self.alpha, self.beta);
            *self = Self { warm_start, alpha, beta, ..Self::default() };
        }
        self.seen += 1;
        if value != 1.0 {
            return self.level;
        }
        self.errors += 1;
        self.distances.update((self.seen - self.last_error) as f64);
        if self.seen > self.warm_start {
            let distance = self.distances.mean.mean + 2.0 * self.distances.get().sqrt();
            if distance > self.largest {
                self.largest = distance;
            } else if self.errors > self.warm_start {
                let share = distance / self.largest;
                self.level = if share < self.beta {
                    ChangeLevel::Drift
                } else if share < self.alpha {
                    ChangeLevel::Warning
                } else {
                    ChangeLevel::Stable
                };
            }
        }
        self.last_error = self.seen;
        self.level
    }

    fn level(&self) -> ChangeLevel {
        self.level
    }
}
