//! Predictions that are written down: Parquet files of a folder, one for each day and flush.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use jiff::Timestamp;

use crate::error::{Error, io_error};
use cupola_sources::Error as SourceError;
use cupola_sources::TableWriter;

/// Entries of a file.
const MOST: usize = 20_000;
/// Time until what there is becomes a file.
const PAUSE: Duration = Duration::from_secs(30);
/// Entries that may wait; more are left out, for no request waits for its log.
const WAITING: usize = 10_000;

/// One row with its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PredictionRecord {
    /// Milliseconds since 1970.
    pub time: i64,
    /// The request's id.
    pub request: String,
    /// The model.
    pub model: String,
    /// Its version.
    pub version: u64,
    /// The row, JSON.
    pub row: String,
    /// The answer, JSON.
    pub answer: String,
}

/// Writes entries from a thread of its own until it is dropped; then the last file is written.
#[derive(Debug)]
pub struct PredictionJournal {
    entries: Option<SyncSender<PredictionRecord>>,
    writer: Option<JoinHandle<()>>,
}

impl PredictionJournal {
    /// Into a folder, which is made.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(folder: &Path) -> Result<Self, Error> {
        let io = io_error(folder);
        std::fs::create_dir_all(folder).map_err(io)?;
        let (entries, received) = sync_channel(WAITING);
        let folder = folder.to_owned();
        let writer =
            std::thread::Builder::new().name("journal".into()).spawn(move || work(&folder, &received));
        let writer = writer.map_err(|source| SourceError::Io { path: PathBuf::from("a thread"), source })?;
        Ok(Self { entries: Some(entries), writer: Some(writer) })
    }

    /// Takes an entry, unless too many wait.
    pub fn push(&self, entry: PredictionRecord) -> bool {
        self.entries.as_ref().is_some_and(|entries| entries.try_send(entry).is_ok())
    }
}

impl Drop for PredictionJournal {
    fn drop(&mut self) {
        self.entries.take();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

fn work(folder: &Path, received: &Receiver<PredictionRecord>) {
    let mut waiting: Vec<PredictionRecord> = Vec::new();
    let mut since = Instant::now();
    loop {
        let pause = if waiting.is_empty() { PAUSE } else { PAUSE.saturating_sub(since.elapsed()) };
        let ended = match received.recv_timeout(pause) {
            Ok(entry) => {
                if waiting.is_empty() {
                    since = Instant::now();
                }
                waiting.push(entry);
                false
            }
            Err(error) => error == RecvTimeoutError::Disconnected,
        };
        if !waiting.is_empty() && (ended || waiting.len() >= MOST || since.elapsed() >= PAUSE) {
            // Told by nobody: the next file may go well again.
            let _ = write(folder, &std::mem::take(&mut waiting));
        }
        if ended {
            return;
        }
    }
}

fn write(folder: &Path, entries: &[PredictionRecord]) -> Result<(), Error> {
    let now = Timestamp::now();
    let name = format!("{}-{}.parquet", now.as_millisecond(), std::process::id());
    let path = folder.join(now.strftime("%Y-%m-%d").to_string()).join(name);
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let schema = Arc::new(Schema::new(vec![
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false),
        text("request"),
        text("model"),
        Field::new("version", DataType::UInt64, false),
        text("row"),
        text("answer"),
    ]));
    let texts = |of: fn(&PredictionRecord) -> &str| -> ArrayRef {
        Arc::new(entries.iter().map(|entry| Some(of(entry))).collect::<StringArray>())
    };
    let times: TimestampMillisecondArray = entries.iter().map(|entry| Some(entry.time)).collect();
    let versions: UInt64Array = entries.iter().map(|entry| Some(entry.version)).collect();
    let columns: Vec<ArrayRef> = vec![
        Arc::new(times.with_timezone("UTC")),
        texts(|entry| &entry.request),
        texts(|entry| &entry.model),
        Arc::new(versions),
        texts(|entry| &entry.row),
        texts(|entry| &entry.answer),
    ];
    let batch = RecordBatch::try_new(Arc::clone(&schema), columns)
        .map_err(|error| SourceError::Engine { path: path.display().to_string(), why: error.to_string() })?;
    let mut writer = TableWriter::new(&path, &schema)?;
    writer.push(&batch)?;
    Ok(writer.finish()?)
}
