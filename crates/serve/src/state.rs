//! What every handler sees, and the settings that an operator makes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::audit::Audit;
use crate::batcher::Limits;
use crate::catalog::Catalog;
use crate::feedback::Kept;
use crate::keys::Keys;
use crate::record::Sampling;
use crate::rows::Intake;
use crate::telemetry::Telemetry;
use crate::traces::Traces;

/// What an operator sets.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Queue and batch.
    pub limits: Limits,
    /// Largest body in bytes.
    pub body_bytes: usize,
    /// Longest time a request may take.
    pub timeout: Duration,
    /// After a signal: time in which the server says that it is not ready, and still answers.
    pub lame_duck: Duration,
    /// Longest time to wait for open requests after that.
    pub drain: Duration,
    /// Connections at once.
    pub connections: usize,
    /// Time between two looks for aliases that have moved.
    pub poll: Duration,
    /// Origins of web pages that may ask; `*` is all of them.
    pub cors: Vec<String>,
    /// Public keys of minisign, one of which has to have signed each package; none asks for no signature.
    pub trusted: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits { queue: 256, batch_rows: 64, replicas: 1, kept_bytes: 1 << 30 },
            body_bytes: 16 << 20,
            timeout: Duration::from_secs(30),
            lame_duck: Duration::ZERO,
            drain: Duration::from_secs(30),
            connections: 4096,
            poll: Duration::from_secs(1),
            cors: Vec::new(),
            trusted: Vec::new(),
        }
    }
}

/// What every request handler sees.
pub(crate) struct Shared {
    pub catalog: Arc<Catalog>,
    pub settings: Settings,
    pub telemetry: Arc<Telemetry>,
    /// No new work is taken.
    pub draining: AtomicBool,
    /// Others are told to send nothing more.
    pub leaving: AtomicBool,
    pub keys: Keys,
    pub intake: Option<Intake>,
    pub audit: Option<Audit>,
    pub recorded: Option<Sampling>,
    pub traces: Option<Traces>,
    pub feedback: Kept,
    /// Metrics and administration have a door of their own.
    pub apart: bool,
}

impl Shared {
    /// Whether requests should be sent here.
    pub fn is_ready(&self) -> bool {
        !self.leaving.load(Ordering::Acquire) && !self.draining.load(Ordering::Acquire)
    }
}
