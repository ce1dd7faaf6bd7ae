//! Journal of predictions: Parquet files with a column for each input, prediction and probability, in the folders
//! `MODEL/VERSION/DAY`.

mod retention;
mod table;
mod upload;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cupola_sources::Error as SourceError;

pub use self::table::{JournalColumn, JournalEntry, JournalValues};
use crate::error::Error;

/// Requests that wait for the journal; further ones are dropped, since no request waits for it.
const MAX_WAITING: usize = 10_000;
/// Memory of the waiting requests.
const MAX_WAITING_BYTES: usize = 64 << 20;

/// Rotation and retention of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalSettings {
    /// Time after which the rows of a version are written.
    pub rotate_after: Duration,
    /// Bytes in memory after which they are written earlier.
    pub rotate_bytes: usize,
    /// Age from which files are deleted; `None` for never.
    pub keep_days: Option<u32>,
    /// Size of all files from which the oldest are deleted; `None` for no limit.
    pub keep_bytes: Option<u64>,
}

impl Default for JournalSettings {
    fn default() -> Self {
        Self {
            rotate_after: Duration::from_secs(30),
            rotate_bytes: 16 << 20,
            keep_days: None,
            keep_bytes: None,
        }
    }
}

/// Receiver of what went wrong, in a sentence.
pub type JournalWarning = Box<dyn Fn(&str) + Send>;

/// Writer of predictions on a thread of its own. Dropping it writes the last files. A file appears when it is complete, so
/// that a killed process loses at most the rows that were not yet written.
#[derive(Debug)]
pub struct PredictionJournal {
    entries: Option<SyncSender<JournalEntry>>,
    writer: Option<JoinHandle<()>>,
    waiting_bytes: Arc<AtomicUsize>,
    dropped_rows: Arc<AtomicU64>,
}

impl PredictionJournal {
    /// Creates the folder and starts the thread.
    ///
    /// # Errors
    /// [`Error::Source`].
    pub fn new(folder: &Path, settings: JournalSettings, warning: JournalWarning) -> Result<Self, Error> {
        cupola_store::create_folder(folder)?;
        let (entries, received) = sync_channel(MAX_WAITING);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let dropped_rows = Arc::new(AtomicU64::new(0));
        let work = JournalWork {
            folder: folder.to_owned(),
            settings,
            warning,
            waiting_bytes: Arc::clone(&waiting_bytes),
            dropped_rows: Arc::clone(&dropped_rows),
            open: HashMap::new(),
            written: 0,
        };
        let writer = std::thread::Builder::new().name("journal".into()).spawn(move || work.run(&received));
        let writer = writer.map_err(|source| SourceError::Io { path: PathBuf::from("a thread"), source })?;
        Ok(Self { entries: Some(entries), writer: Some(writer), waiting_bytes, dropped_rows })
    }

    /// Queues an entry; `false` if it was dropped because the queue is full. Never waits.
    pub fn push(&self, entry: JournalEntry) -> bool {
        let (bytes, rows) = (entry.bytes(), entry.rows as u64);
        let waiting = self.waiting_bytes.fetch_add(bytes, Ordering::Relaxed);
        let room = waiting.saturating_add(bytes) <= MAX_WAITING_BYTES;
        if room && self.entries.as_ref().is_some_and(|entries| entries.try_send(entry).is_ok()) {
            return true;
        }
        self.waiting_bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.dropped_rows.fetch_add(rows, Ordering::Relaxed);
        false
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

/// Entries of a version that are not yet written; all have the same columns.
struct OpenFile {
    since: Instant,
    bytes: usize,
    entries: Vec<JournalEntry>,
}

/// State of the writing thread.
struct JournalWork {
    folder: PathBuf,
    settings: JournalSettings,
    warning: JournalWarning,
    waiting_bytes: Arc<AtomicUsize>,
    dropped_rows: Arc<AtomicU64>,
    open: HashMap<(String, u64), OpenFile>,
    /// Number of files, which makes their names unique.
    written: u64,
}

impl JournalWork {
    fn run(mut self, received: &Receiver<JournalEntry>) {
        loop {
            let due = self
                .open
                .values()
                .map(|open| self.settings.rotate_after.saturating_sub(open.since.elapsed()));
            let pause = due.min().unwrap_or(self.settings.rotate_after);
            let next = received.recv_timeout(pause);
            let (ended, idle) =
                (next == Err(RecvTimeoutError::Disconnected), next == Err(RecvTimeoutError::Timeout));
            if let Ok(entry) = next {
                self.add(entry);
            }
            let due = self.open.iter().filter(|(_, open)| {
                ended
                    || open.bytes >= self.settings.rotate_bytes
                    || open.since.elapsed() >= self.settings.rotate_after
            });
            let due: Vec<(String, u64)> = due.map(|(key, _)| key.clone()).collect();
            for key in &due {
                self.write(key);
            }
            // Files that the object store of the home did not take are tried again without new ones.
            if idle || !due.is_empty() {
                self.finish_round();
            }
            if ended {
                return;
            }
        }
    }

    fn add(&mut self, entry: JournalEntry) {
        self.waiting_bytes.fetch_sub(entry.bytes(), Ordering::Relaxed);
        let key = (entry.model.clone(), entry.version);
        if self.open.get(&key).is_some_and(|open| !open.entries[0].has_columns_of(&entry)) {
            self.write(&key);
        }
        let open = self.open.entry(key).or_insert_with(|| OpenFile {
            since: Instant::now(),
            bytes: 0,
            entries: Vec::new(),
        });
        open.bytes += entry.bytes();
        open.entries.push(entry);
    }

    /// Writes a file. After a failure serving continues, and the next file may succeed.
    fn write(&mut self, key: &(String, u64)) {
        let Some(open) = self.open.remove(key) else { return };
        self.written += 1;
        if let Err(error) = table::write(&self.folder, self.written, &open.entries) {
            let rows: usize = open.entries.iter().map(|entry| entry.rows).sum();
            (self.warning)(&format!("failed to write {rows} rows of the prediction log: {error}"));
        }
    }

    /// Tells of dropped rows, and deletes files that are too old or too many.
    fn finish_round(&self) {
        let dropped = self.dropped_rows.swap(0, Ordering::Relaxed);
        if dropped > 0 {
            (self.warning)(&format!(
                "dropped {dropped} rows of the prediction log, which is slower than the requests; lower `log.share`"
            ));
        }
        if let Err(error) = upload::move_to_store(&self.folder) {
            (self.warning)(&format!(
                "files of the prediction log stay on this machine until the store takes them: {error}"
            ));
        }
        if let Err(error) = retention::delete_old(&self.folder, &self.settings, jiff::Timestamp::now()) {
            (self.warning)(&format!("failed to delete old files of the prediction log: {error}"));
        }
    }
}

#[cfg(test)]
mod tests;
