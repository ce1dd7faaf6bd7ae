//! Request to stop a running job.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Shared flag that asks a job to write a checkpoint and stop; clones share the flag.
#[derive(Debug, Clone, Default)]
pub struct StopSignal(Arc<AtomicBool>);

impl StopSignal {
    /// Signal that is not set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the job to stop after its current step.
    pub fn request(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// `true` once a stop was requested.
    pub fn is_requested(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Flag behind the signal, for a signal handler that sets it.
    pub fn flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.0)
    }
}
