//! A journal in an object store: an object for each record, `watch/NAME/journal/00000001.json` and so on.
//!
//! A record is appended by creating the object of the next number, which only one writer can do. Each object has the
//! fencing number of the lease under which it was written, so that a process that lost its lease without knowing is
//! refused at its next record. A process that takes over from a killed one writes an object without a record first:
//! whatever the other still wants to append comes after it.

use std::collections::BTreeSet;
use std::sync::Arc;

use cupola_spec::is_name;
use cupola_store::{Lease, Remote, read_limited, write_file};
use serde::{Deserialize, Serialize};

use crate::watch::error::WatchError;
use crate::watch::record::WatchRecord;

/// Largest object of a record in bytes.
const LIMIT: u64 = 64 << 20;
const ROOT: &str = "watch/";
const FOLDER: &str = "journal";
/// Digits of a number in a key, so that keys sort as numbers do.
const DIGITS: usize = 8;

/// Object of the journal.
#[derive(Debug, Serialize, Deserialize)]
struct JournalObject {
    /// Fencing number of the writer's lease; 0 for the decision of a person, who needs none.
    fence: u64,
    /// Text that no other writer has.
    id: String,
    /// The record; `None` where a process took over.
    record: Option<WatchRecord>,
}

/// Objects of one journal.
#[derive(Debug)]
pub(super) struct JournalObjects {
    remote: Arc<Remote>,
    name: String,
    /// Number of the last object that was read.
    read: u64,
    /// Largest fencing number among them.
    fence: u64,
    lease: Option<Arc<Lease>>,
}

impl JournalObjects {
    pub fn new(remote: Arc<Remote>, name: &str) -> Self {
        Self { remote, name: name.to_owned(), read: 0, fence: 0, lease: None }
    }

    /// Names of the models with a journal, also of those that only the cache knows.
    pub fn names(remote: &Remote) -> Vec<String> {
        let listed = remote.listing(ROOT).unwrap_or_default();
        let named = listed.iter().filter_map(|object| match object.key.split('/').collect::<Vec<_>>()[..] {
            [_, name, FOLDER, _] if is_name(name) => Some(name.to_owned()),
            _ => None,
        });
        let cached = cupola_store::folders(&remote.root().join(ROOT)).unwrap_or_default();
        let cached = cached.into_iter().filter(|(_, path)| path.join(FOLDER).is_dir()).map(|(name, _)| name);
        named.chain(cached).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// All records that the store has, or else the cache.
    pub fn cached(&mut self) -> Result<Vec<WatchRecord>, WatchError> {
        let prefix = format!("{ROOT}{}/{FOLDER}/", self.name);
        if let Some(listed) = self.remote.listing(&prefix) {
            self.remote.copy_missing(listed.into_iter().map(|object| object.key))?;
        }
        let mut records = Vec::new();
        loop {
            let (number, path) = (self.read + 1, self.remote.root().join(self.key(self.read + 1)));
            if !path.is_file() {
                return Ok(records);
            }
            let bytes = read_limited(&path, LIMIT)?;
            self.add(number, &bytes, &mut records)?;
        }
    }

    /// Adds the records that the store has beyond those that were read.
    ///
    /// # Errors
    /// A store that does not answer.
    pub fn read_new(&mut self, records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        loop {
            let key = self.key(self.read + 1);
            let Some(bytes) = self.remote.read(&key, LIMIT)? else { return Ok(()) };
            write_file(&self.remote.root().join(&key), &bytes)?;
            self.add(self.read + 1, &bytes, records)?;
        }
    }

    /// Writes from now on under a lease. If the holder before may still be at work, its further records are refused.
    pub fn hold(&mut self, lease: Arc<Lease>, records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        let takes_over = lease.is_taken_over() && self.read > 0;
        self.lease = Some(lease);
        if takes_over { self.write(None, records) } else { Ok(()) }
    }

    /// Appends a record.
    pub fn append(&mut self, record: &WatchRecord, records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        self.write(Some(record), records)
    }

    fn write(
        &mut self,
        record: Option<&WatchRecord>,
        records: &mut Vec<WatchRecord>,
    ) -> Result<(), WatchError> {
        loop {
            if let Some(lease) = &self.lease {
                if self.fence > lease.fence() {
                    let holder = "a process of another machine, which has taken over".to_owned();
                    return Err(WatchError::Busy { name: self.name.clone(), holder });
                }
                lease.check().map_err(|error| WatchError::of_lock(&self.name, error))?;
            }
            let number = self.read + 1;
            let fence = self.lease.as_ref().map_or(0, |lease| lease.fence());
            let id = format!("{} {}", std::process::id(), jiff::Timestamp::now());
            let bytes = serde_json::to_vec(&JournalObject { fence, id, record: record.cloned() })
                .map_err(|error| self.damaged(number, &error))?;
            let key = self.key(number);
            if self.remote.claim(&key, &bytes)? {
                write_file(&self.remote.root().join(&key), &bytes)?;
                return self.add(number, &bytes, records);
            }
            // A person has decided, or another process has taken over.
            self.read_new(records)?;
        }
    }

    /// Checks with the store that the lease holds.
    pub fn confirm(&self) -> Result<(), WatchError> {
        let Some(lease) = &self.lease else { return Ok(()) };
        lease.confirm().map_err(|error| WatchError::of_lock(&self.name, error))
    }

    fn add(&mut self, number: u64, bytes: &[u8], records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        let object: JournalObject =
            serde_json::from_slice(bytes).map_err(|error| self.damaged(number, &error))?;
        (self.read, self.fence) = (number, self.fence.max(object.fence));
        records.extend(object.record);
        Ok(())
    }

    fn damaged(&self, number: u64, error: &serde_json::Error) -> WatchError {
        WatchError::Journal { path: self.remote.address(&self.key(number)), line: 1, why: error.to_string() }
    }

    fn key(&self, number: u64) -> String {
        format!("{ROOT}{}/{FOLDER}/{number:0DIGITS$}.json", self.name)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Duration;

    use cupola_registry::Home;
    use cupola_store::FolderClient;

    use crate::watch::journal::WatchJournal;
    use crate::watch::record::WatchState;

    use super::*;

    fn machine(folder: &Path, name: &str) -> Home {
        let client = Arc::new(FolderClient::new(folder.join("store")));
        Remote::attach(&folder.join(name), "test://home", client, Box::new(|_| {}));
        Home::new(folder.join(name))
    }

    fn lease(home: &Home, holder: &str) -> Arc<Lease> {
        let remote = home.remote().unwrap();
        Arc::new(Lease::take(remote, "watch/m/lease.json", holder, Duration::from_secs(1)).unwrap())
    }

    fn declined(why: &str) -> WatchState {
        WatchState::Declined { by: "ann".to_owned(), why: why.to_owned() }
    }

    #[test]
    fn records_of_several_machines_have_one_order() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
        let mut first = WatchJournal::held(&a, "m", Some(lease(&a, "a"))).unwrap();
        first.append(None, WatchState::Opened).unwrap();
        // A decision of a person on another machine, of which the watch does not know yet.
        let mut second = WatchJournal::open(&b, "m").unwrap();
        second.append(Some(1), declined("no")).unwrap();
        first.append(Some(1), declined("late")).unwrap();
        assert_eq!(first.records().len(), 3);
        second.reload().unwrap();
        assert_eq!(second.records(), first.records());
        assert_eq!(WatchJournal::names(&machine(folder.path(), "c")), ["m"]);
        std::fs::remove_dir_all(folder.path().join("store")).unwrap();
        assert_eq!(WatchJournal::open(&b, "m").unwrap().records().len(), 3, "the cache has them");
    }

    #[test]
    fn a_process_that_lost_its_lease_appends_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (machine(folder.path(), "a"), machine(folder.path(), "b"));
        let stale = lease(&a, "a");
        let mut first = WatchJournal::held(&a, "m", Some(Arc::clone(&stale))).unwrap();
        first.append(None, WatchState::Opened).unwrap();
        // As if the process had been stopped for longer than its lease, and looks at its clock before it is told.
        let path = folder.path().join("store/watch/m/lease.json");
        let text = std::fs::read_to_string(&path).unwrap().replace(": false", ": true");
        std::fs::write(&path, text).unwrap();
        let mut second = WatchJournal::held(&b, "m", Some(lease(&b, "b"))).unwrap();
        second.append(Some(1), declined("mine")).unwrap();
        let refused = first.append(Some(1), declined("stale")).unwrap_err();
        assert!(matches!(refused, WatchError::Busy { .. }), "{refused}");
        second.reload().unwrap();
        assert_eq!(second.records().len(), 2);
    }
}
