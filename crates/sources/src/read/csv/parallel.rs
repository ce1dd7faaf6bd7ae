//! Parallel parsing of CSV: chunks of whole records are parsed by several threads and returned in order.
//!
//! A chunk has the rows of one batch, so that batches and errors are those of one sequential reader. The consumer's
//! thread reads and splits the file; a limited number of chunks waits to be parsed or returned.

use std::collections::VecDeque;
use std::io::Read;
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::csv::ReaderBuilder;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::record_batch::RecordBatch;

use super::ColumnFinisher;
use super::split::{Chunk, Splitter};
use crate::error::Error;
use crate::read::row_error;

/// Bytes of the chunks that wait: 64 MiB, or one larger chunk.
const MAX_PENDING_BYTES: usize = 64 << 20;
/// Largest number of parsing threads.
const MAX_THREADS: usize = 8;

/// Settings of one file.
pub(super) struct ChunkParser {
    /// Columns as they are parsed.
    pub read_as: SchemaRef,
    pub delimiter: u8,
    pub finisher: ColumnFinisher,
    /// Source as messages show it.
    pub label: String,
}

/// Batches of one file.
pub(super) struct ParallelRows<R> {
    splitter: Splitter<R>,
    parser: Arc<ChunkParser>,
    header: Arc<[u8]>,
    batch_rows: usize,
    rows_before: usize,
    pending: VecDeque<Pending>,
    pending_bytes: usize,
    ended: bool,
    workers: Option<Workers>,
    threads: usize,
}

/// Chunk that has not been returned.
struct Pending {
    bytes: usize,
    state: PendingState,
}

enum PendingState {
    /// Parsed by the consumer: a file of one chunk needs no threads.
    Here(Job),
    /// Parsed by a worker.
    Elsewhere(Receiver<Result<Option<RecordBatch>, Error>>),
    Failed(Error),
}

/// Chunk with what is needed to parse it.
struct Job {
    parser: Arc<ChunkParser>,
    header: Arc<[u8]>,
    chunk: Chunk,
    rows_before: usize,
}

impl<R: Read> ParallelRows<R> {
    /// Reads the header. `read_bytes` are read from the input at once.
    ///
    /// # Errors
    /// [`Error::Row`] if the input cannot be read.
    pub fn new(input: R, parser: ChunkParser, batch_rows: usize, read_bytes: usize) -> Result<Self, Error> {
        let mut splitter = Splitter::new(input, parser.delimiter, read_bytes);
        let header = splitter.take(1).map_err(|error| io_failure(&parser.label, error))?;
        Ok(Self {
            splitter,
            parser: Arc::new(parser),
            ended: header.is_none(),
            header: header.map(|header| header.bytes).unwrap_or_default().into(),
            batch_rows,
            rows_before: 0,
            pending: VecDeque::new(),
            pending_bytes: 0,
            workers: None,
            threads: std::thread::available_parallelism().map_or(1, |n| n.get().min(MAX_THREADS)),
        })
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
                    let state = PendingState::Failed(io_failure(&self.parser.label, error));
                    self.pending.push_back(Pending { bytes: 0, state });
                    return;
                }
            };
            let (bytes, records) = (chunk.bytes.len(), chunk.records);
            let job = Job {
                parser: Arc::clone(&self.parser),
                header: Arc::clone(&self.header),
                chunk,
                rows_before: self.rows_before,
            };
            let first = self.rows_before == 0;
            self.rows_before += records;
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

impl<R: Read> Iterator for ParallelRows<R> {
    type Item = Result<RecordBatch, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            self.fill();
            let Pending { bytes, state } = self.pending.pop_front()?;
            self.pending_bytes -= bytes;
            let parsed = match state {
                PendingState::Here(job) => job.parse(),
                PendingState::Elsewhere(receiver) => receiver.recv().unwrap_or_else(|_| {
                    let why = "a parsing thread failed".to_owned();
                    Err(Error::Engine { path: self.parser.label.clone(), why })
                }),
                PendingState::Failed(error) => Err(error),
            };
            match parsed {
                Ok(Some(batch)) => return Some(Ok(batch)),
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    self.pending.clear();
                    return Some(Err(error));
                }
            }
        }
    }
}

impl Job {
    /// Parses the chunk behind the header, so that the parser is in the state of a sequential one.
    fn parse(self) -> Result<Option<RecordBatch>, Error> {
        let batch = self
            .decode()
            .and_then(|batch| batch.map(|batch| self.parser.finisher.finish(&batch)).transpose());
        batch
            .map_err(|error| row_error(&self.parser.label, &shift_line(&error.to_string(), self.rows_before)))
    }

    fn decode(&self) -> Result<Option<RecordBatch>, ArrowError> {
        let mut decoder = ReaderBuilder::new(Arc::clone(&self.parser.read_as))
            .with_delimiter(self.parser.delimiter)
            .with_header(true)
            .with_batch_size(self.chunk.records)
            .build_decoder();
        for part in [&*self.header, &self.chunk.bytes] {
            let mut rest = part;
            while !rest.is_empty() && decoder.capacity() > 0 {
                rest = &rest[decoder.decode(rest)?..];
            }
        }
        if decoder.capacity() > 0 {
            // The last record may have no line end.
            decoder.decode(&[])?;
        }
        decoder.flush()
    }
}

/// Adds the rows before a chunk to the line number in a message of arrow-csv.
fn shift_line(message: &str, rows_before: usize) -> String {
    let Some((head, tail)) = message.split_once("line ") else { return message.to_owned() };
    let digits = tail.len() - tail.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    match tail[..digits].parse::<usize>() {
        Ok(line) => format!("{head}line {}{}", line + rows_before, &tail[digits..]),
        Err(_) => message.to_owned(),
    }
}

fn io_failure(label: &str, error: std::io::Error) -> Error {
    row_error(label, &ArrowError::from(error).to_string())
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
            let _ = std::thread::Builder::new().name("csv".into()).spawn(work);
        }
        Self { jobs }
    }

    fn submit(&self, job: Job) -> PendingState {
        let (sender, receiver) = sync_channel(1);
        let work = move || {
            let _ = sender.send(job.parse());
        };
        let _ = self.jobs.send(Box::new(work));
        PendingState::Elsewhere(receiver)
    }
}

#[cfg(test)]
mod tests;
