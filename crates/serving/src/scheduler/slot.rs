//! An engine replica, shared by its own thread and by request threads that run a quick row themselves.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cupola_prep::Examples;
use cupola_runtime::{Error, Predictor};

use crate::telemetry::ModelMetrics;

/// Longest forward pass of a single row that a request's own thread runs: handing the row to another thread and
/// back takes about as long.
const QUICK: Duration = Duration::from_micros(250);

/// Logits of a request's examples, or the engine's error.
pub(crate) type ForwardResult = Result<ForwardPass, Arc<Error>>;

/// Result of a forward pass.
pub(crate) struct ForwardPass {
    /// `[rows, width]`
    pub logits: Vec<f32>,
    pub started: Instant,
    pub ended: Instant,
}

/// An engine replica.
pub(super) struct EngineSlot {
    predictor: Mutex<Predictor>,
    /// Nanoseconds of the last forward pass of a single row; 0 before the first one.
    single_row_nanos: AtomicU64,
    /// `true` if every thread may run the engine.
    any_thread: bool,
}

impl EngineSlot {
    pub fn new(predictor: Predictor) -> Self {
        let any_thread = predictor.capabilities().any_thread;
        Self { predictor: Mutex::new(predictor), single_row_nanos: AtomicU64::new(0), any_thread }
    }

    pub fn lock(&self) -> MutexGuard<'_, Predictor> {
        self.predictor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, Predictor>> {
        self.predictor.try_lock().ok()
    }

    /// `true` if a single row may run on the request's own thread.
    pub fn is_quick(&self) -> bool {
        let nanos = self.single_row_nanos.load(Ordering::Relaxed);
        self.any_thread && nanos > 0 && Duration::from_nanos(nanos) <= QUICK
    }

    /// Runs a batch on the locked predictor, `max_rows` at a time, and records its duration.
    pub fn run(
        &self,
        predictor: &mut Predictor,
        examples: Examples,
        max_rows: usize,
        metrics: &ModelMetrics,
    ) -> Result<ForwardPass, Error> {
        let (rows, started) = (examples.rows, Instant::now());
        let result = forward(predictor, examples, max_rows);
        let ended = Instant::now();
        let duration = ended - started;
        if rows == 1 {
            let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1);
            self.single_row_nanos.store(nanos, Ordering::Relaxed);
        }
        metrics.record_forward(rows, duration.as_secs_f64());
        result.map(|logits| ForwardPass { logits, started, ended })
    }
}

/// Splits a batch that has more than twice the rows of a forward pass, as one request may.
fn forward(predictor: &mut Predictor, examples: Examples, max_rows: usize) -> Result<Vec<f32>, Error> {
    if examples.rows <= 2 * max_rows {
        return predictor.target_logits(examples);
    }
    let rows: Vec<usize> = (0..examples.rows).collect();
    let mut logits = Vec::new();
    for chunk in rows.chunks(max_rows) {
        logits.extend(predictor.target_logits(examples.gather(chunk))?);
    }
    Ok(logits)
}
