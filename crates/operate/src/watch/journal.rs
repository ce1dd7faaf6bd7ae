//! The journal of a watch: an append-only file of JSON lines, each synced before anything follows from it.

use std::path::{Path, PathBuf};

use cupola_registry::Home;
use cupola_store::{Name, append_lines, read_limited};
use jiff::Timestamp;

use super::cycle::WatchCycle;
use super::error::WatchError;
use super::record::{WatchRecord, WatchState};

/// Largest accepted journal in bytes.
const LIMIT: u64 = 1 << 30;

/// Records of the watch of one model, `watch/NAME/journal.jsonl`.
#[derive(Debug)]
pub struct WatchJournal {
    path: PathBuf,
    records: Vec<WatchRecord>,
}

impl WatchJournal {
    /// Reads the journal of a model; it is empty before its first record.
    ///
    /// # Errors
    /// An invalid name; [`WatchError::Journal`] for a line that cannot be read.
    pub fn open(home: &Home, name: &str) -> Result<Self, WatchError> {
        Name::new(name)?;
        let mut journal = Self { path: folder(home, name).join("journal.jsonl"), records: Vec::new() };
        journal.reload()?;
        Ok(journal)
    }

    /// Names of the models that have a journal.
    pub fn names(home: &Home) -> Vec<String> {
        let found = cupola_store::folders(&home.root().join("watch")).unwrap_or_default();
        let has = |path: &Path| path.join("journal.jsonl").is_file();
        found.into_iter().filter(|(_, path)| has(path)).map(|(name, _)| name).collect()
    }

    /// Reads records that other processes have appended.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn reload(&mut self) -> Result<(), WatchError> {
        self.records.clear();
        if !self.path.is_file() {
            return Ok(());
        }
        let bytes = read_limited(&self.path, LIMIT)?;
        // A line without an end was never acknowledged.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        for (at, line) in bytes[..whole].split(|byte| *byte == b'\n').enumerate() {
            if line.is_empty() {
                continue;
            }
            let record = serde_json::from_slice(line).map_err(|error| WatchError::Journal {
                path: self.path.clone(),
                line: at + 1,
                why: error.to_string(),
            })?;
            self.records.push(record);
        }
        Ok(())
    }

    /// Appends a record and syncs it.
    ///
    /// # Errors
    /// [`WatchError::Workflow`] for a disk that fails; then there is no such record.
    pub fn append(&mut self, cycle: Option<u64>, state: WatchState) -> Result<&WatchRecord, WatchError> {
        let record = WatchRecord { cycle, at: format!("{:.3}", Timestamp::now()), state };
        let mut line = serde_json::to_vec(&record).map_err(|error| WatchError::Journal {
            path: self.path.clone(),
            line: self.records.len() + 1,
            why: error.to_string(),
        })?;
        line.push(b'\n');
        append_lines(&self.path, &line)?;
        self.records.push(record);
        Ok(&self.records[self.records.len() - 1])
    }

    /// All records, oldest first.
    pub fn records(&self) -> &[WatchRecord] {
        &self.records
    }

    /// All retrainings, oldest first.
    pub fn cycles(&self) -> Vec<WatchCycle> {
        WatchCycle::all(&self.records)
    }

    /// The retraining that has not ended; `None` if there is none.
    pub fn open_cycle(&self) -> Option<WatchCycle> {
        self.cycles().into_iter().rev().find(WatchCycle::is_open)
    }
}

/// Folder of the journal and of the lock.
pub(super) fn folder(home: &Home, name: &str) -> PathBuf {
    home.root().join("watch").join(name)
}
