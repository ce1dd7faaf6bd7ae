//! Parallel parsing: chunks of whole records are parsed by several threads and returned in order.
//!
//! A chunk has the rows of one batch, so that batches and errors are those of one sequential reader. The consumer's
//! thread reads and splits the file; a limited number of chunks waits to be parsed or returned.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use super::split::{Chunk, Splitter};
use crate::error::Error;

/// Bytes of the chunks that wait: 64 MiB, or one larger chunk.
const MAX_PENDING_BYTES: usize = 64 << 20;
/// Largest number of parsing threads.
const MAX_THREADS: usize = 8;

/// Parser of the chunks of one file.
pub(in crate::read) trait ChunkParser: Send + Sync + 'static {
    /// Parsed records.
    type Output: Send + 'static;

    /// Parses a chunk behind `records_before` records of the file.
    fn parse(&self, chunk: &Chunk, records_before: u64) -> Result<Self::Output, Error>;

    /// Error of reading the file.
    fn read_error(&self, error: &std::io::Error) -> Error;
}

/// Parsed chunks of one file, in order.
pub(in crate::read) struct ParallelChunks<R, P: ChunkParser> {
    splitter: Splitter<R>,
    parser: Arc<P>,
    batch_rows: usize,
    records_before: u64,
    pending: VecDeque<Pending<P>>,
    pending_bytes: usize,
    ended: bool,
    workers: Option<Workers>,
    threads: usize,
}

/// Chunk that has not been returned.
struct Pending<P: ChunkParser> {
    bytes: usize,
    state: PendingState<P>,
}

enum PendingState<P: ChunkParser> {
    /// Parsed by the consumer: a file of one chunk needs no threads.
    Here(Job<P>),
    /// Parsed by a worker.
    Elsewhere(Receiver<Result<P::Output, Error>>),
    Failed(Error),
}

/// Chunk with what is needed to parse it.
struct Job<P> {
    parser: Arc<P>,
    chunk: Chunk,
    records_before: u64,
}

impl<P: ChunkParser> Job<P> {
    fn parse(&self) -> Result<P::Output, Error> {
        self.parser.parse(&self.chunk, self.records_before)
    }
}

impl<R: Read, P: ChunkParser> ParallelChunks<R, P> {
    /// Parses what `splitter` returns, `batch_rows` records at once.
    pub fn new(splitter: Splitter<R>, parser: P, batch_rows: usize) -> Self {
        Self {
            splitter,
            parser: Arc::new(parser),
            batch_rows,
            records_before: 0,
            pending: VecDeque::new(),
            pending_bytes: 0,
            ended: false,
            workers: None,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS)),
        }
    }

    /// Sets the number of parsing threads.
    #[cfg(test)]
    pub fn with_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// Reads ahead, within the limits.
    fn fill(&mut self) {
        while !self.ended
            && (self.pending.is_empty()
                || self.pending.len() <= self.threads && self.pending_bytes < MAX_PENDING_BYTES)
        {
            let chunk = match self.splitter.take(self.batch_rows) {
                Ok(Some(chunk)) => chunk,
                Ok(None) => {
                    self.ended = true;
                    return;
                }
                Err(error) => {
                    self.ended = true;
                    let state = PendingState::Failed(self.parser.read_error(&error));
                    self.pending.push_back(Pending { bytes: 0, state });
                    return;
                }
            };
            let bytes = chunk.bytes.len();
            let first = self.records_before == 0;
            let records = chunk.records as u64;
            let job = Job { parser: Arc::clone(&self.parser), chunk, records_before: self.records_before };
            self.records_before += records;
            self.pending_bytes += bytes;
            let state = if first || self.threads == 1 {
                PendingState::Here(job)
            } else {
                let threads = self.threads;
                self.workers.get_or_insert_with(|| Workers::start(threads)).submit(job)
            };
            self.pending.push_back(Pending { bytes, state });
        }
    }
}

impl<R: Read, P: ChunkParser> Iterator for ParallelChunks<R, P> {
    type Item = Result<P::Output, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.fill();
        let Pending { bytes, state } = self.pending.pop_front()?;
        self.pending_bytes -= bytes;
        let parsed = match state {
            PendingState::Here(job) => job.parse(),
            PendingState::Elsewhere(receiver) => receiver.recv().unwrap_or_else(|_| {
                Err(self.parser.read_error(&std::io::Error::other("a parsing thread failed")))
            }),
            PendingState::Failed(error) => Err(error),
        };
        if parsed.is_err() {
            self.ended = true;
            self.pending.clear();
        }
        Some(parsed)
    }
}

/// Threads that parse chunks until they are dropped.
struct Workers {
    jobs: Sender<Box<dyn FnOnce() + Send>>,
}

impl Workers {
    fn start(threads: usize) -> Self {
        let (jobs, received) = channel::<Box<dyn FnOnce() + Send>>();
        let received = Arc::new(Mutex::new(received));
        for _ in 0..threads {
            let received = Arc::clone(&received);
            let work = move || loop {
                let job = received.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = job else { return };
                job();
            };
            // Without the thread, the others do its work; without any, the consumer reports it.
            let _ = std::thread::Builder::new().name("parser".into()).spawn(work);
        }
        Self { jobs }
    }

    fn submit<P: ChunkParser>(&self, job: Job<P>) -> PendingState<P> {
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let _ = sender.send(job.parse());
        };
        let _ = self.jobs.send(Box::new(work));
        PendingState::Elsewhere(receiver)
    }
}
