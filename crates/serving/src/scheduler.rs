//! Scheduling of one model version: a bounded queue and a thread per engine replica.
//!
//! Batching is greedy: a thread runs what waits at that moment, up to the batch size, and never waits for more.

#[cfg(test)]
mod interleavings;
mod queue;
mod sequences;
mod slot;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use cupola_prep::Examples;
use cupola_runtime::{Predictor, Sequence};
use tokio::sync::{Semaphore, mpsc, oneshot};

use self::queue::JobQueue;
pub(crate) use self::sequences::GenerationEvent;
use self::sequences::ScheduledSequence;
use self::slot::EngineSlot;
pub(crate) use self::slot::{ForwardPass, ForwardResult};
use self::worker::{EngineJob, RowsJob};
use crate::sync;
use crate::telemetry::ModelMetrics;

/// Limits of a model version's queue, batches and caches.
#[derive(Debug, Clone, Copy)]
pub struct SchedulerLimits {
    /// Requests in the queue.
    pub queue: usize,
    /// Rows in one forward pass.
    pub batch_rows: usize,
    /// Engine replicas, each with its own weights.
    pub replicas: usize,
    /// Bytes of KV caches of each replica.
    pub kv_cache_bytes: usize,
}

impl Default for SchedulerLimits {
    fn default() -> Self {
        Self { queue: 256, batch_rows: 64, replicas: 1, kv_cache_bytes: 1 << 30 }
    }
}

/// Outcome of submitting a request: the result, or the future of it.
pub(crate) enum Ticket {
    Ready(ForwardResult),
    Queued(oneshot::Receiver<ForwardResult>),
}

/// RAII guard that counts an in-flight request.
pub(crate) struct InFlightGuard(Arc<AtomicUsize>);

impl Drop for InFlightGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Queue of a model version. Its engine threads run until it is dropped and the queue is empty.
pub struct Scheduler {
    queue: Arc<JobQueue<EngineJob>>,
    slots: Vec<Arc<EngineSlot>>,
    in_flight: Arc<AtomicUsize>,
    metrics: ModelMetrics,
    /// One permit per waiting or running sequence, as many as the queue has places.
    sequences: Arc<Semaphore>,
    limits: SchedulerLimits,
}

impl Scheduler {
    /// Starts a thread per predictor; all of them must be replicas of the same model.
    ///
    /// # Errors
    /// Errors of the system when it starts a thread.
    pub fn start(
        name: &str,
        predictors: Vec<Predictor>,
        limits: SchedulerLimits,
        metrics: &ModelMetrics,
    ) -> std::io::Result<Self> {
        let this = Self {
            queue: Arc::new(JobQueue::new(limits.queue)),
            slots: predictors.into_iter().map(|predictor| Arc::new(EngineSlot::new(predictor))).collect(),
            in_flight: Arc::default(),
            metrics: metrics.clone(),
            sequences: Arc::new(Semaphore::new(limits.queue)),
            limits,
        };
        for slot in &this.slots {
            let (slot, queue, metrics) = (Arc::clone(slot), Arc::clone(&this.queue), metrics.clone());
            std::thread::Builder::new()
                .name(format!("engine-{name}"))
                .spawn(move || worker::run(&slot, &queue, limits, &metrics))?;
        }
        Ok(this)
    }

    /// Limits that it was started with.
    pub fn limits(&self) -> SchedulerLimits {
        self.limits
    }

    /// Waiting requests.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Counts a request for as long as the guard lives.
    pub(crate) fn in_flight(&self) -> InFlightGuard {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(Arc::clone(&self.in_flight))
    }

    /// Runs a single quick row on this thread if no other request is in flight; queues everything else. Returns
    /// `None` if the queue is full.
    pub(crate) fn submit(&self, examples: Examples, deadline: Instant) -> Option<Ticket> {
        if examples.rows == 1 && self.in_flight.load(Ordering::Relaxed) == 1 {
            for slot in self.slots.iter().filter(|slot| slot.is_quick()) {
                if let Some(mut predictor) = slot.try_lock() {
                    self.metrics.record_queue(0.0);
                    let result = slot.run(&mut predictor, examples, 1, &self.metrics);
                    return Some(Ticket::Ready(result.map_err(Arc::new)));
                }
            }
        }
        self.enqueue(examples, deadline).map(Ticket::Queued)
    }

    /// Queues a request. Returns `None` if the queue is full.
    pub(crate) fn enqueue(
        &self,
        examples: Examples,
        deadline: Instant,
    ) -> Option<oneshot::Receiver<ForwardResult>> {
        let (reply, result) = oneshot::channel();
        let job = RowsJob { examples, queued: Instant::now(), deadline, reply };
        self.queue.push(EngineJob::Rows(job)).ok().map(|()| result)
    }

    /// Queues sequences for generation. Returns `None` if there are too many already. The channel needs no
    /// bound: it gets at most one event per token.
    pub(crate) fn generate(
        &self,
        generations: Vec<Sequence>,
        deadline: Instant,
    ) -> Option<mpsc::UnboundedReceiver<GenerationEvent>> {
        let count = u32::try_from(generations.len()).ok()?;
        let mut permits = Arc::clone(&self.sequences).try_acquire_many_owned(count).ok()?;
        let (sender, events) = mpsc::unbounded_channel();
        for (index, generation) in generations.into_iter().enumerate() {
            let permit = permits.split(1)?;
            let sequence = ScheduledSequence::new(generation, index, deadline, sender.clone(), permit);
            self.queue.push(EngineJob::Sequence(sequence)).ok()?;
        }
        Some(events)
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.queue.close();
    }
}

#[cfg(test)]
mod tests {
    use super::queue::JobQueue;

    #[test]
    fn the_queue_is_bounded_greedy_and_drains_after_close() {
        let queue = JobQueue::new(4);
        (1..=4).for_each(|rows| queue.push(rows).unwrap());
        assert_eq!(queue.push(5), Err(5));
        let mut budget = 6_i32;
        let batch = queue.take(|rows| {
            budget -= rows;
            budget >= 0
        });
        assert_eq!(batch, Some(vec![1, 2, 3]));
        queue.close();
        assert_eq!(queue.push(9), Err(9));
        assert_eq!(queue.take(|_| true), Some(vec![4]));
        assert_eq!(queue.take(|_| true), None);
    }
}
