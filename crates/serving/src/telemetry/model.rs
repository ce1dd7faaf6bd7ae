//! Metrics of one model version.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::queue_share::{QueueTimes, QueueWindow};

/// Metrics of one model version.
#[derive(Clone)]
pub struct ModelMetrics {
    pub(super) request: Histogram,
    pub(super) preparation: Histogram,
    pub(super) queue: Histogram,
    pub(super) inference: Histogram,
    pub(super) batch: Histogram,
    pub(super) first_token: Histogram,
    /// Tokens of prompts, tokens of prompts that came from the prefix cache, generated tokens.
    pub(super) tokens: [Counter; 3],
    pub(super) explanations: Counter,
    pub(super) explanation_seconds: Counter<f64, AtomicU64>,
    pub(super) waiting: Gauge,
    pub(super) totals: Arc<Mutex<ModelTotals>>,
    pub(super) window: Arc<Mutex<QueueWindow>>,
}

/// Counts and times of a version since it was loaded, times in seconds.
#[derive(Debug, Clone, Copy, Default)]
pub struct ModelTotals {
    /// Requests that left the queue.
    pub requests: u64,
    /// Forward passes.
    pub executions: u64,
    /// Time from the body to the response.
    pub total: f64,
    /// Time from the body to the examples.
    pub preparation: f64,
    /// Time in the queue.
    pub queue: f64,
    /// Time in the engine.
    pub inference: f64,
}

impl ModelMetrics {
    fn add(&self, add: impl FnOnce(&mut ModelTotals)) {
        add(&mut self.totals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Counts and times since the version was loaded.
    pub fn totals(&self) -> ModelTotals {
        *self.totals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add_times(&self, queue: f64, total: f64) {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        window.add(Instant::now(), QueueTimes { queue, total });
    }

    /// Times of the requests of the last 15 seconds.
    pub fn recent_times(&self) -> QueueTimes {
        self.window.lock().unwrap_or_else(PoisonError::into_inner).times(Instant::now())
    }

    /// Sets the number of waiting requests.
    pub fn set_waiting(&self, requests: usize) {
        self.waiting.set(i64::try_from(requests).unwrap_or(i64::MAX));
    }

    /// Records the duration of a request, successful or not.
    pub fn record_request(&self, seconds: f64) {
        self.request.observe(seconds);
        self.add(|totals| totals.total += seconds);
        self.add_times(0.0, seconds);
    }

    /// Records the time that a request's examples took.
    pub fn record_preparation(&self, seconds: f64) {
        self.preparation.observe(seconds);
        self.add(|totals| totals.preparation += seconds);
    }

    /// Records the time that a request spent in the queue.
    pub fn record_queue(&self, seconds: f64) {
        self.queue.observe(seconds);
        self.add(|totals| (totals.requests, totals.queue) = (totals.requests + 1, totals.queue + seconds));
        if seconds > 0.0 {
            self.add_times(seconds, 0.0);
        }
    }

    /// Records the time in the queue of a request that was too late, or whose client has gone, when its turn came.
    pub fn record_vain_wait(&self, seconds: f64) {
        self.add_times(seconds, 0.0);
    }

    /// Records a forward pass.
    pub fn record_forward(&self, rows: usize, seconds: f64) {
        self.inference.observe(seconds);
        self.batch.observe(rows as f64);
        self.add(|totals| {
            (totals.executions, totals.inference) = (totals.executions + 1, totals.inference + seconds);
        });
    }

    /// Records the time to the first generated token.
    pub fn record_first_token(&self, seconds: f64) {
        self.first_token.observe(seconds);
    }

    /// Counts explained rows and the seconds that they took, which no other metric holds.
    pub fn record_explanations(&self, rows: usize, seconds: f64) {
        self.explanations.inc_by(rows as u64);
        self.explanation_seconds.inc_by(seconds);
    }

    /// Counts tokens of prompts, tokens of prompts that came from the prefix cache, and generated tokens.
    pub fn count_tokens(&self, tokens: [u64; 3]) {
        for (counter, tokens) in self.tokens.iter().zip(tokens) {
            counter.inc_by(tokens);
        }
    }
}
