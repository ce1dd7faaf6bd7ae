//! Bounded queue between the requests and the thread of the sketches.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::admission::Admission;
use super::observation::Observation;

/// Most requests in the queue.
const MOST_REQUESTS: usize = 512;
/// Most bytes of their rows and logits.
const MOST_BYTES: usize = 16 << 20;

/// Requests whose rows wait for the thread. Its lock is held for a push or a swap only.
pub(super) struct ObservationQueue {
    admission: Mutex<Admission>,
    waiting: Mutex<Waiting>,
    /// Held while requests are added to sketches, so that a flush waits for those that the thread has taken.
    draining: Mutex<()>,
}

#[derive(Default)]
struct Waiting {
    observations: Vec<Observation>,
    bytes: usize,
}

impl Default for ObservationQueue {
    fn default() -> Self {
        let admission = Mutex::new(Admission::new(Instant::now()));
        Self { admission, waiting: Mutex::default(), draining: Mutex::default() }
    }
}

impl ObservationQueue {
    /// `true` if a request that is answered now is to be queued.
    pub fn admits(&self) -> bool {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner).admit(Instant::now())
    }

    /// Queues a request, or counts that it is skipped if the queue is full.
    pub fn push(&self, observation: Observation) {
        let bytes = observation.bytes();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.observations.len() < MOST_REQUESTS && waiting.bytes.saturating_add(bytes) <= MOST_BYTES {
            waiting.bytes += bytes;
            waiting.observations.push(observation);
            return;
        }
        drop(waiting);
        observation.monitor.record_skipped();
    }

    /// Adds what waits to the sketches.
    pub fn drain(&self) {
        let _draining = self.draining.lock().unwrap_or_else(PoisonError::into_inner);
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        for observation in waiting.observations {
            observation.monitor.observe(|layout, table| observation.add_to(layout, table));
        }
    }
}
