//! The bounded queue and the thread that empties it.

use std::sync::Arc;
use std::time::Instant;

use cupola_infer::{Error, Predictor};
use cupola_prep::{Answer, Examples};
use tokio::sync::{mpsc, oneshot};

use crate::telemetry::ModelMetrics;

/// How much may wait and how much is run at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests in the queue.
    pub queue: usize,
    /// Rows in one forward pass.
    pub batch_rows: usize,
}

/// What became of a request.
pub type Reply = Result<Vec<Answer>, Arc<Error>>;

struct Job {
    examples: Examples,
    queued: Instant,
    reply: oneshot::Sender<Reply>,
}

/// A model's queue; its engine runs on a thread of its own until the batcher is dropped.
pub struct Batcher {
    queue: mpsc::Sender<Job>,
}

impl Batcher {
    /// Starts the thread.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        name: &str,
        predictor: Predictor,
        limits: Limits,
        metrics: ModelMetrics,
    ) -> std::io::Result<Self> {
        let (queue, jobs) = mpsc::channel(limits.queue);
        std::thread::Builder::new()
            .name(format!("engine-{name}"))
            .spawn(move || work(predictor, jobs, limits.batch_rows, &metrics))?;
        Ok(Self { queue })
    }

    /// Admits a request, or gives `None` at once when the queue is full.
    pub fn submit(&self, examples: Examples) -> Option<oneshot::Receiver<Reply>> {
        let (reply, answer) = oneshot::channel();
        let job = Job { examples, queued: Instant::now(), reply };
        self.queue.try_send(job).ok().map(|()| answer)
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }
}

fn work(mut predictor: Predictor, mut jobs: mpsc::Receiver<Job>, most: usize, metrics: &ModelMetrics) {
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        let mut rows = batch[0].examples.rows;
        // Greedy: what waits now goes along, nothing is waited for.
        while rows < most {
            let Ok(next) = jobs.try_recv() else { break };
            rows += next.examples.rows;
            batch.push(next);
        }
        // Whoever has hung up or run out of time needs no answer.
        batch.retain(|job| !job.reply.is_closed());
        if !batch.is_empty() {
            run(&mut predictor, batch, most, metrics);
        }
    }
}

fn run(predictor: &mut Predictor, batch: Vec<Job>, most: usize, metrics: &ModelMetrics) {
    let started = Instant::now();
    for job in &batch {
        metrics.queue_seconds.observe((started - job.queued).as_secs_f64());
    }
    let counts: Vec<usize> = batch.iter().map(|job| job.examples.rows).collect();
    let (parts, replies): (Vec<Examples>, Vec<_>) =
        batch.into_iter().map(|job| (job.examples, job.reply)).unzip();
    let rows: usize = counts.iter().sum();
    let answers = forward(predictor, join(parts), most);
    metrics.inference_seconds.observe(started.elapsed().as_secs_f64());
    #[allow(clippy::cast_precision_loss)]
    metrics.batch_rows.observe(rows as f64);
    match answers {
        Ok(predictions) => {
            let mut rest = predictions.into_iter();
            for (count, reply) in counts.into_iter().zip(replies) {
                // A receiver that is gone is no error.
                let _ = reply.send(Ok(rest.by_ref().take(count).collect()));
            }
        }
        Err(error) => {
            let error = Arc::new(error);
            for reply in replies {
                let _ = reply.send(Err(Arc::clone(&error)));
            }
        }
    }
}

/// One request may hold more rows than a batch.
fn forward(predictor: &mut Predictor, examples: Examples, most: usize) -> Result<Vec<Answer>, Error> {
    if examples.rows <= 2 * most {
        return predictor.forward(examples);
    }
    let rows: Vec<usize> = (0..examples.rows).collect();
    let mut out = Vec::with_capacity(examples.rows);
    for chunk in rows.chunks(most) {
        out.extend(predictor.forward(examples.gather(chunk))?);
    }
    Ok(out)
}

fn join(parts: Vec<Examples>) -> Examples {
    let mut parts = parts.into_iter();
    let Some(mut first) = parts.next() else { unreachable!("`work` runs no empty batch") };
    for part in parts {
        first.rows += part.rows;
        first.dense.extend(part.dense);
        first.indices.extend(part.indices);
    }
    first
}
