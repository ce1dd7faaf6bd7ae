//! Dynamic loss scale of half precision.

use serde::{Deserialize, Serialize};

/// Dynamic scale of the loss before the backward pass: halved if gradients overflow, doubled after 2,000
/// steps without overflow (Micikevicius et al. 2018, 3.2, with the constants of `torch.amp.GradScaler`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    /// Current factor.
    pub factor: f64,
    /// Number of steps since the last change.
    pub good: u64,
}

impl LossScale {
    /// The scale before the first step.
    pub fn start() -> Self {
        Self { factor: 65_536.0, good: 0 }
    }

    /// Updates the scale after a step. `false` if the factor falls below 1, where overflow has another cause.
    pub(crate) fn after(&mut self, overflowed: bool) -> bool {
        if overflowed {
            *self = Self { factor: self.factor * 0.5, good: 0 };
            return self.factor >= 1.0;
        }
        self.good += 1;
        if self.good == 2000 {
            *self = Self { factor: self.factor * 2.0, good: 0 };
        }
        true
    }
}
