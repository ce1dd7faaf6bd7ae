//! The journal of a watch: records that are synced before anything follows from them, as lines of a file, or as objects of
//! the object store of the home.

mod objects;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cupola_registry::Home;
use cupola_store::{Lease, Name, append_lines, read_limited};
use jiff::Timestamp;

use self::objects::JournalObjects;
use super::cycle::WatchCycle;
use super::error::WatchError;
use super::record::{WatchRecord, WatchState};

/// Largest accepted journal in bytes.
const LIMIT: u64 = 1 << 30;
/// File of a journal in a folder.
const FILE: &str = "journal.jsonl";

/// Records of the watch of one model: `watch/NAME/journal.jsonl`, or objects below `watch/NAME/journal/`.
#[derive(Debug)]
pub struct WatchJournal {
    path: PathBuf,
    /// Objects in place of the file; `None` for a home in a folder.
    objects: Option<JournalObjects>,
    records: Vec<WatchRecord>,
}

impl WatchJournal {
    /// Reads the journal of a model; it is empty before its first record. While an object store is away, it is that of the
    /// cache.
    ///
    /// # Errors
    /// An invalid name; [`WatchError::Journal`] for a line that cannot be read; [`WatchError::History`] for one that is
    /// missing.
    pub fn open(home: &Home, name: &str) -> Result<Self, WatchError> {
        Name::new(name)?;
        let objects = home.remote().map(|remote| JournalObjects::new(Arc::clone(remote), name));
        let mut journal = Self { path: folder(home, name).join(FILE), objects, records: Vec::new() };
        match &mut journal.objects {
            Some(objects) => journal.records = objects.cached()?,
            None => journal.reload()?,
        }
        Ok(journal)
    }

    /// Writes from now on for the process that watches, with its lease: its records are refused once another has the lease.
    /// Reads what was appended before it had the lock.
    ///
    /// # Errors
    /// As [`Self::reload`].
    pub(super) fn hold(&mut self, lease: Option<Arc<Lease>>) -> Result<(), WatchError> {
        self.reload()?;
        match (&mut self.objects, lease) {
            (Some(objects), Some(lease)) => objects.hold(lease, &mut self.records),
            _ => Ok(()),
        }
    }

    /// Largest fencing number of a lease under which a record was written; 0 for a home in a folder.
    pub(super) fn fence(&self) -> u64 {
        self.objects.as_ref().map_or(0, JournalObjects::fence)
    }

    /// Names of the models that have a journal.
    pub fn names(home: &Home) -> Vec<String> {
        if let Some(remote) = home.remote() {
            return JournalObjects::names(remote);
        }
        let found = cupola_store::folders(&home.root().join("watch")).unwrap_or_default();
        let has = |path: &Path| path.join(FILE).is_file();
        found.into_iter().filter(|(_, path)| has(path)).map(|(name, _)| name).collect()
    }

    /// Reads records that other processes have appended.
    ///
    /// # Errors
    /// As [`Self::open`]; an object store that does not answer.
    pub fn reload(&mut self) -> Result<(), WatchError> {
        if let Some(objects) = &mut self.objects {
            return objects.reload(&mut self.records);
        }
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
    /// [`WatchError::Workflow`] for a disk or a store that fails; then there is no such record, or the next look finds it.
    pub fn append(&mut self, cycle: Option<u64>, state: WatchState) -> Result<&WatchRecord, WatchError> {
        let record = WatchRecord { cycle, at: format!("{:.3}", Timestamp::now()), state };
        if let Some(objects) = &mut self.objects {
            objects.append(&record, &mut self.records)?;
        } else {
            let mut line = serde_json::to_vec(&record).map_err(|error| WatchError::Journal {
                path: self.path.clone(),
                line: self.records.len() + 1,
                why: error.to_string(),
            })?;
            line.push(b'\n');
            append_lines(&self.path, &line)?;
            self.records.push(record);
        }
        Ok(&self.records[self.records.len() - 1])
    }

    /// Checks with the store that this process still watches, and that the journal it decided on is the one there, before a
    /// step that must not be taken twice.
    ///
    /// # Errors
    /// [`WatchError::Busy`] if another process does; [`WatchError::History`]; a store that does not answer.
    pub(super) fn confirm(&self) -> Result<(), WatchError> {
        self.objects.as_ref().map_or(Ok(()), JournalObjects::confirm)
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
