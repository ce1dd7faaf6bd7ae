//! Continuous batching of text generation: all running sequences decode one token per step, and sequences join
//! and leave between steps (Yu et al. 2022, "Orca", section 4.1).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use cupola_runtime::{Error, Predictor, PrefixCache, Sequence, TextPiece};
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use crate::telemetry::ModelMetrics;

/// Sequences that an engine decodes at once; later ones wait.
const MAX_SEQUENCES: usize = 32;

/// Streamed piece of one of a request's sequences, or the error that ended it.
pub(crate) struct GenerationEvent {
    pub index: usize,
    pub piece: Result<TextPiece, Arc<Error>>,
}

/// A sequence that waits or runs.
pub(super) struct ScheduledSequence {
    generation: Box<Sequence>,
    /// Index within its request.
    index: usize,
    queued: Instant,
    deadline: Instant,
    events: mpsc::UnboundedSender<GenerationEvent>,
    /// Largest size of its KV cache in bytes.
    kv_bytes: usize,
    /// Held until the sequence ends.
    _permit: OwnedSemaphorePermit,
}

impl ScheduledSequence {
    /// Sequence that sends its pieces to `events`.
    pub fn new(
        generation: Sequence,
        index: usize,
        deadline: Instant,
        events: mpsc::UnboundedSender<GenerationEvent>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let (generation, queued) = (Box::new(generation), Instant::now());
        Self { generation, index, queued, deadline, events, kv_bytes: 0, _permit: permit }
    }

    /// Sends an event; `false` if the receiver is gone.
    fn send(&self, piece: Result<TextPiece, Arc<Error>>) -> bool {
        self.events.send(GenerationEvent { index: self.index, piece }).is_ok()
    }

    /// `false` if the request was cancelled or its deadline has passed.
    fn is_live(&self) -> bool {
        !self.events.is_closed() && self.deadline > Instant::now()
    }
}

/// Sequences of an engine replica.
pub(super) struct SequenceBatch {
    running: Vec<ScheduledSequence>,
    waiting: VecDeque<ScheduledSequence>,
    /// KV caches of finished sequences, reused for common prefixes.
    prefixes: PrefixCache,
    /// Budget of all KV caches in bytes.
    kv_cache_bytes: usize,
    metrics: ModelMetrics,
}

impl SequenceBatch {
    pub fn new(kv_cache_bytes: usize, metrics: ModelMetrics) -> Self {
        Self {
            running: Vec::new(),
            waiting: VecDeque::new(),
            prefixes: PrefixCache::default(),
            kv_cache_bytes,
            metrics,
        }
    }

    /// Adds a sequence, which starts once there is room for it.
    pub fn push(&mut self, sequence: ScheduledSequence) {
        self.waiting.push_back(sequence);
    }

    pub fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }

    /// Starts waiting sequences for which there is room, and decodes one token of each running one.
    pub fn step(&mut self, predictor: &mut Predictor) {
        self.waiting.retain(ScheduledSequence::is_live);
        let cancelled: Vec<ScheduledSequence> =
            self.running.extract_if(.., |sequence| !sequence.is_live()).collect();
        self.retire(cancelled);
        self.admit(predictor);
        if self.running.is_empty() {
            return;
        }
        let mut generations: Vec<&mut Sequence> =
            self.running.iter_mut().map(|sequence| &mut *sequence.generation).collect();
        match Sequence::decode(&mut generations, predictor) {
            Ok(steps) => {
                let mut steps = steps.into_iter();
                let has_ended = |sequence: &mut ScheduledSequence| match steps.next() {
                    Some(Ok(Some(piece))) => {
                        let last = piece.finish.is_some();
                        !sequence.send(Ok(piece)) || last
                    }
                    Some(Err(error)) => {
                        sequence.send(Err(Arc::new(error)));
                        true
                    }
                    Some(Ok(None)) | None => false,
                };
                let ended: Vec<ScheduledSequence> = self.running.extract_if(.., has_ended).collect();
                self.retire(ended);
            }
            Err(error) => {
                let error = Arc::new(error);
                for sequence in self.running.drain(..) {
                    sequence.send(Err(Arc::clone(&error)));
                }
            }
        }
    }

    /// Starts waiting sequences in order while the memory suffices for their full length. A single sequence
    /// starts whatever memory it takes.
    fn admit(&mut self, predictor: &mut Predictor) {
        while self.running.len() < MAX_SEQUENCES
            && let Some(sequence) = self.waiting.front()
        {
            let kv_bytes = predictor.kv_cache_bytes(sequence.generation.max_cached_tokens());
            let together = self.reserved() + kv_bytes;
            if together > self.kv_cache_bytes && !self.running.is_empty() {
                return;
            }
            let Some(mut sequence) = self.waiting.pop_front() else { return };
            self.prefixes.attach(&mut sequence.generation);
            self.prefixes.evict_to(self.kv_cache_bytes.saturating_sub(together));
            sequence.kv_bytes = kv_bytes;
            // A request of several texts waits for its first one.
            if sequence.index == 0 {
                self.metrics.record_queue(sequence.queued.elapsed().as_secs_f64());
            }
            self.running.push(sequence);
        }
    }

    fn reserved(&self) -> usize {
        self.running.iter().map(|sequence| sequence.kv_bytes).sum()
    }

    /// Moves the KV caches of ended sequences to the prefix cache, as far as the budget allows.
    fn retire(&mut self, sequences: Vec<ScheduledSequence>) {
        if sequences.is_empty() {
            return;
        }
        for sequence in sequences {
            self.prefixes.insert(*sequence.generation);
        }
        self.prefixes.evict_to(self.kv_cache_bytes.saturating_sub(self.reserved()));
    }
}
