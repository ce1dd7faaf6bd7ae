//! Readiness and draining of a server.

use std::sync::atomic::{AtomicBool, Ordering};

/// Stages of a shutdown: ready, then not ready but still responding, then draining.
#[derive(Debug, Default)]
pub struct Lifecycle {
    leaving: AtomicBool,
    draining: AtomicBool,
}

impl Lifecycle {
    /// `true` if load balancers should send requests here.
    pub fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Acquire) && !self.is_draining()
    }

    /// `true` if new requests are refused.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Reports the server as not ready; requests are still processed.
    pub fn leave(&self) {
        self.leaving.store(true, Ordering::Release);
    }

    /// Refuses new requests.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }
}
