//! Share of the weight decay that applies in a step.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Share of the configured weight decay, which the loop sets before each step and all groups of an optimiser read.
#[derive(Debug, Clone)]
pub struct DecayShare(Arc<AtomicU64>);

impl Default for DecayShare {
    /// The decay as configured.
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(1.0_f64.to_bits())))
    }
}

impl DecayShare {
    /// Sets the share.
    pub fn set(&self, share: f64) {
        self.0.store(share.to_bits(), Ordering::Relaxed);
    }

    /// Returns the share.
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }
}
