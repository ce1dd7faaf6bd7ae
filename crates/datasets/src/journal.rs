//! Journal of predictions: Parquet files, in one folder for each day.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, StringArray, TimestampMillisecondArray, UInt64Array};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use arrow::record_batch::RecordBatch;
use cupola_sources::{Error as SourceError, TableWriter};
use jiff::Timestamp;

use crate::error::Error;

/// Entries after which a file is written.
const MOST: usize = 20_000;
/// Time after which a file is written.
const PAUSE: Duration = Duration::from_secs(30);
/// Capacity of the queue; further entries are dropped, since no request waits for the journal.
const WAITING: usize = 10_000;

/// One row with its prediction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalEntry {
    /// Time in milliseconds since 1970.
    pub time: i64,
    /// Request id.
    pub request: String,
    /// Name of the model.
    pub model: String,
    /// Version of the model.
    pub version: u64,
    /// Row as JSON.
    pub row: String,
    /// Prediction as JSON.
    pub answer: String,
}

/// Writer of predictions on a thread of its own. Dropping it writes the last file.
#[derive(Debug)]
pub struct PredictionJournal {
    entries: Option<SyncSender<JournalEntry>>,
    writer: Option<JoinHandle<()>>,
}

impl PredictionJournal {
    /// Creates the folder and starts the thread.
    ///
    /// # Errors
    /// [`Error::Source`].
    pub fn new(folder: &Path) -> Result<Self, Error> {
        cupola_store::create_folder(folder)?;
        let (entries, received) = sync_channel(WAITING);
        let folder = folder.to_owned();
        let writer =
            std::thread::Builder::new().name("journal".into()).spawn(move || work(&folder, &received));
        let writer = writer.map_err(|source| SourceError::Io { path: PathBuf::from("a thread"), source })?;
        Ok(Self { entries: Some(entries), writer: Some(writer) })
    }

    /// Queues an entry; `false` if it was dropped because the queue is full.
    pub fn push(&self, entry: JournalEntry) -> bool {
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

fn work(folder: &Path, received: &Receiver<JournalEntry>) {
    let mut waiting: Vec<JournalEntry> = Vec::new();
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
            // A failure is not reported: serving continues, and the next file may succeed.
            let _ = write(folder, &std::mem::take(&mut waiting));
        }
        if ended {
            return;
        }
    }
}

fn write(folder: &Path, entries: &[JournalEntry]) -> Result<(), Error> {
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
    let texts = |of: fn(&JournalEntry) -> &str| -> ArrayRef {
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
