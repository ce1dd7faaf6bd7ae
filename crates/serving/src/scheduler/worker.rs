//! Thread of an engine replica: takes what waits, runs it as one batch and distributes the logits.

use std::sync::Arc;
use std::time::Instant;

use cupola_prep::Examples;
use tokio::sync::oneshot;

use super::SchedulerLimits;
use super::queue::JobQueue;
use super::sequences::{ScheduledSequence, SequenceBatch};
use super::slot::{EngineSlot, ForwardPass, ForwardResult};
use crate::telemetry::ModelMetrics;

/// Work for an engine.
pub(super) enum EngineJob {
    Rows(RowsJob),
    Sequence(ScheduledSequence),
}

/// Examples of a request.
pub(super) struct RowsJob {
    pub examples: Examples,
    pub queued: Instant,
    pub deadline: Instant,
    pub reply: oneshot::Sender<ForwardResult>,
}

/// Runs jobs until the queue is closed and empty.
pub(super) fn run(
    slot: &EngineSlot,
    queue: &JobQueue<EngineJob>,
    limits: SchedulerLimits,
    metrics: &ModelMetrics,
) {
    let max_rows = limits.batch_rows;
    let mut sequences = SequenceBatch::new(limits.kv_cache_bytes, metrics.clone());
    loop {
        let mut rows = 0;
        let fits = |job: &EngineJob| match job {
            EngineJob::Rows(job) => {
                rows += job.examples.rows;
                rows <= max_rows
            }
            EngineJob::Sequence(_) => true,
        };
        let jobs = if sequences.is_empty() { queue.take(fits) } else { Some(queue.try_take(fits)) };
        let Some(jobs) = jobs else { return };
        let now = Instant::now();
        let mut batch = Vec::new();
        for job in jobs {
            match job {
                // Requests that were cancelled or are too late need no result.
                EngineJob::Rows(job) if !job.reply.is_closed() && job.deadline > now => batch.push(job),
                EngineJob::Rows(job) => metrics.record_vain_wait((now - job.queued).as_secs_f64()),
                EngineJob::Sequence(sequence) => sequences.push(sequence),
            }
        }
        if !batch.is_empty() {
            run_batch(slot, batch, max_rows, metrics);
        }
        sequences.step(&mut slot.lock());
    }
}

fn run_batch(slot: &EngineSlot, batch: Vec<RowsJob>, max_rows: usize, metrics: &ModelMetrics) {
    let started = Instant::now();
    let mut parts = Vec::with_capacity(batch.len());
    let mut replies = Vec::with_capacity(batch.len());
    for job in batch {
        metrics.record_queue((started - job.queued).as_secs_f64());
        replies.push((job.examples.rows, job.reply));
        parts.push(job.examples);
    }
    let rows: usize = replies.iter().map(|(rows, _)| rows).sum();
    match slot.run(&mut slot.lock(), concatenate(parts), max_rows, metrics) {
        Ok(pass) => distribute(pass, rows, replies),
        Err(error) => {
            let error = Arc::new(error);
            for (_, reply) in replies {
                // A cancelled request has dropped its receiver.
                let _ = reply.send(Err(Arc::clone(&error)));
            }
        }
    }
}

/// Sends each request the logits of its rows.
fn distribute(pass: ForwardPass, rows: usize, replies: Vec<(usize, oneshot::Sender<ForwardResult>)>) {
    let ForwardPass { logits, started, ended } = pass;
    let width = logits.len() / rows.max(1);
    let alone = replies.len() == 1;
    let (mut at, mut all) = (0, logits);
    for (rows, reply) in replies {
        let end = (at + rows * width).min(all.len());
        let logits = if alone { std::mem::take(&mut all) } else { all[at..end].to_vec() };
        let _ = reply.send(Ok(ForwardPass { logits, started, ended }));
        at = end;
    }
}

fn concatenate(parts: Vec<Examples>) -> Examples {
    let mut parts = parts.into_iter();
    let Some(mut first) = parts.next() else { unreachable!("a batch has at least one request") };
    for part in parts {
        first.rows += part.rows;
        first.dense.extend(part.dense);
        first.indices.extend(part.indices);
    }
    first
}
