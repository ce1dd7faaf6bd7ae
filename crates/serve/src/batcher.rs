//! A model's engines: threads that take what waits, run it as one batch and hand out the logits.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use cupola_prep::Examples;
use cupola_runtime::{Error, Generation, Predictor};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::queue::Queue;
use crate::telemetry::ModelMetrics;
use crate::texts::{Text, Texts, Told};

/// How much may wait and how much is run at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Requests in the queue.
    pub queue: usize,
    /// Rows in one forward pass.
    pub batch_rows: usize,
    /// Engines of a model, each with its weights.
    pub replicas: usize,
    /// Bytes of keys and values of texts, for each engine.
    pub kept_bytes: usize,
}

/// The logits of a request's examples, or why there are none.
pub(crate) type Reply = Result<Ran, Arc<Error>>;

/// Logits, and when they were computed.
pub(crate) struct Ran {
    /// `[rows, width]`
    pub logits: Vec<f32>,
    pub started: Instant,
    pub ended: Instant,
}

/// What waits for an engine.
enum Job {
    Rows(Rows),
    Text(Text),
}

struct Rows {
    examples: Examples,
    queued: Instant,
    deadline: Instant,
    reply: oneshot::Sender<Reply>,
}

/// A row that takes no longer is run by the thread that has read it, if nobody else waits: handing it to
/// another thread and back would take as long.
const QUICK: Duration = Duration::from_micros(250);

/// An engine, for its own thread and for those that run a quick row themselves.
struct Slot {
    predictor: Mutex<Predictor>,
    /// Nanoseconds that a batch of one row took last; 0 before there was one.
    row: AtomicU64,
    /// Whether every thread may run it.
    anywhere: bool,
}

impl Slot {
    fn new(predictor: Predictor) -> Self {
        let anywhere = predictor.runs_anywhere();
        Self { predictor: Mutex::new(predictor), row: AtomicU64::new(0), anywhere }
    }

    fn predictor(&self) -> MutexGuard<'_, Predictor> {
        self.predictor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a batch by its engine, which is held, and notes how long that took.
    fn run(
        &self,
        predictor: &mut Predictor,
        examples: Examples,
        most: usize,
        metrics: &ModelMetrics,
    ) -> Result<Ran, Error> {
        let (rows, started) = (examples.rows, Instant::now());
        let done = forward(predictor, examples, most);
        let ended = Instant::now();
        let took = ended - started;
        if rows == 1 {
            self.row.store(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(1), Ordering::Relaxed);
        }
        metrics.ran(rows, took.as_secs_f64());
        done.map(|logits| Ran { logits, started, ended })
    }

    fn is_quick(&self) -> bool {
        let row = self.row.load(Ordering::Relaxed);
        self.anywhere && row > 0 && Duration::from_nanos(row) <= QUICK
    }
}

/// A request's logits, or where they will come.
pub(crate) enum Submitted {
    Done(Reply),
    Queued(oneshot::Receiver<Reply>),
}

/// A request that is in the house; gone when it is dropped.
pub(crate) struct Guest(Arc<AtomicUsize>);

impl Drop for Guest {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A model's queue; its engines run on threads of their own until the batcher is dropped.
pub(crate) struct Batcher {
    queue: Arc<Queue<Job>>,
    engines: Vec<Arc<Slot>>,
    /// Requests that have come and are not answered.
    guests: Arc<AtomicUsize>,
    metrics: ModelMetrics,
    /// Texts that wait or are being made: as many as may wait.
    texts: Arc<Semaphore>,
}

impl Batcher {
    /// Starts a thread for each predictor; all of them are the same model.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub fn start(
        name: &str,
        predictors: Vec<Predictor>,
        limits: Limits,
        metrics: &ModelMetrics,
    ) -> std::io::Result<Self> {
        let texts = Arc::new(Semaphore::new(limits.queue));
        let this = Self {
            queue: Arc::new(Queue::new(limits.queue)),
            engines: predictors.into_iter().map(|predictor| Arc::new(Slot::new(predictor))).collect(),
            guests: Arc::default(),
            metrics: metrics.clone(),
            texts,
        };
        for slot in &this.engines {
            let (slot, queue, metrics) = (Arc::clone(slot), Arc::clone(&this.queue), metrics.clone());
            std::thread::Builder::new()
                .name(format!("engine-{name}"))
                .spawn(move || work(&slot, &queue, limits, &metrics))?;
        }
        Ok(this)
    }

    /// Counts a request for as long as what this gives is kept.
    pub fn guest(&self) -> Guest {
        self.guests.fetch_add(1, Ordering::Relaxed);
        Guest(Arc::clone(&self.guests))
    }

    /// Runs a request here and now if it is the only one and a quick one; else admits it, or gives `None` at
    /// once when the queue is full.
    pub fn submit(&self, examples: Examples, deadline: Instant) -> Option<Submitted> {
        if examples.rows == 1 && self.guests.load(Ordering::Relaxed) == 1 {
            for slot in self.engines.iter().filter(|slot| slot.is_quick()) {
                if let Ok(mut predictor) = slot.predictor.try_lock() {
                    self.metrics.left_queue(0.0);
                    let done = slot.run(&mut predictor, examples, 1, &self.metrics);
                    return Some(Submitted::Done(done.map_err(Arc::new)));
                }
            }
        }
        self.queued(examples, deadline).map(Submitted::Queued)
    }

    /// Admits a request, or gives `None` at once when the queue is full.
    pub fn queued(&self, examples: Examples, deadline: Instant) -> Option<oneshot::Receiver<Reply>> {
        let (reply, answer) = oneshot::channel();
        let job = Rows { examples, queued: Instant::now(), deadline, reply };
        self.queue.push(Job::Rows(job)).ok().map(|()| answer)
    }

    /// Admits texts that are to be made, or gives `None` at once when there are too many. Their pieces are at
    /// most as many as their tokens, so they need no bound of their own.
    pub fn submit_texts(
        &self,
        generations: Vec<Generation>,
        deadline: Instant,
    ) -> Option<mpsc::UnboundedReceiver<Told>> {
        let count = u32::try_from(generations.len()).ok()?;
        let mut permits = Arc::clone(&self.texts).try_acquire_many_owned(count).ok()?;
        let (told, pieces) = mpsc::unbounded_channel();
        for (index, generation) in generations.into_iter().enumerate() {
            let text = Text::new(generation, index, deadline, told.clone(), permits.split(1)?);
            self.queue.push(Job::Text(text)).ok()?;
        }
        Some(pieces)
    }

    /// Requests that wait.
    pub fn waiting(&self) -> usize {
        self.queue.len()
    }
}

impl Drop for Batcher {
    fn drop(&mut self) {
        self.queue.close();
    }
}

fn work(slot: &Slot, queue: &Queue<Job>, limits: Limits, metrics: &ModelMetrics) {
    let most = limits.batch_rows;
    let mut texts = Texts::new(limits.kept_bytes);
    loop {
        let mut rows = 0;
        // Greedy: what waits now goes along, nothing is waited for.
        let more = |job: &Job| match job {
            Job::Rows(job) => {
                rows += job.examples.rows;
                rows <= most
            }
            Job::Text(_) => true,
        };
        let taken = if texts.is_empty() { queue.take(more) } else { Some(queue.take_now(more)) };
        let Some(taken) = taken else { return };
        let now = Instant::now();
        let mut batch = Vec::new();
        for job in taken {
            match job {
                // Whoever has hung up or run out of time needs no answer.
                Job::Rows(job) if !job.reply.is_closed() && job.deadline > now => batch.push(job),
                Job::Rows(_) => {}
                Job::Text(text) => texts.wait(text),
            }
        }
        if !batch.is_empty() {
            run(slot, batch, most, metrics);
        }
        texts.go_on(&mut slot.predictor());
    }
}

fn run(slot: &Slot, batch: Vec<Rows>, most: usize, metrics: &ModelMetrics) {
    let started = Instant::now();
    let mut parts = Vec::with_capacity(batch.len());
    let mut replies = Vec::with_capacity(batch.len());
    for job in batch {
        metrics.left_queue((started - job.queued).as_secs_f64());
        replies.push((job.examples.rows, job.reply));
        parts.push(job.examples);
    }
    let rows: usize = replies.iter().map(|(rows, _)| rows).sum();
    match slot.run(&mut slot.predictor(), join(parts), most, metrics) {
        Ok(ran) => share_out(ran, rows, replies),
        Err(error) => {
            let error = Arc::new(error);
            for (_, reply) in replies {
                // A receiver that is gone is no error.
                let _ = reply.send(Err(Arc::clone(&error)));
            }
        }
    }
}

/// Gives each request the logits of its rows.
fn share_out(ran: Ran, rows: usize, replies: Vec<(usize, oneshot::Sender<Reply>)>) {
    let Ran { logits, started, ended } = ran;
    let width = logits.len() / rows.max(1);
    let alone = replies.len() == 1;
    let (mut at, mut all) = (0, logits);
    for (rows, reply) in replies {
        let end = (at + rows * width).min(all.len());
        let logits = if alone { std::mem::take(&mut all) } else { all[at..end].to_vec() };
        let _ = reply.send(Ok(Ran { logits, started, ended }));
        at = end;
    }
}

/// One request may hold more rows than a batch.
fn forward(predictor: &mut Predictor, examples: Examples, most: usize) -> Result<Vec<f32>, Error> {
    if examples.rows <= 2 * most {
        return predictor.run(examples);
    }
    let rows: Vec<usize> = (0..examples.rows).collect();
    let mut out = Vec::new();
    for chunk in rows.chunks(most) {
        out.extend(predictor.run(examples.gather(chunk))?);
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
