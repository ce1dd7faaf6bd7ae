//! A journal in an object store: an object for each record, `watch/NAME/journal/00000001.json` and so on.
//!
//! A record is appended by creating the object of the next number, which only one writer can do. Each object has the
//! fencing number of the lease under which it was written, so that a process that lost its lease without knowing is
//! refused at its next record. A process that takes over from a killed one writes an object without a record first:
//! whatever the other still wants to append comes after it.
//!
//! Numbers without a gap and the digest of the object before, which each object has, make the objects one history. Where
//! one is missing or belongs to another history, nothing is decided on the others.

mod history;

use std::collections::BTreeSet;
use std::sync::Arc;

use cupola_spec::is_name;
use cupola_store::{Lease, Remote, read_limited, sha256_hex, write_file};
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
    /// SHA-256 of the object before; `None` for the first, and in journals of earlier versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
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
    /// SHA-256 of that object; `None` before the first.
    last: Option<String>,
    /// Largest fencing number among those that were read.
    fence: u64,
    lease: Option<Arc<Lease>>,
}

impl JournalObjects {
    pub fn new(remote: Arc<Remote>, name: &str) -> Self {
        Self { remote, name: name.to_owned(), read: 0, last: None, fence: 0, lease: None }
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

    /// Largest fencing number under which an object was written.
    pub fn fence(&self) -> u64 {
        self.fence
    }

    /// All records that the store has, or else the cache.
    ///
    /// # Errors
    /// [`WatchError::History`] if some are missing.
    pub fn cached(&mut self) -> Result<Vec<WatchRecord>, WatchError> {
        // In this order: another process of this machine may append at this moment.
        let known = self.cached_numbers();
        let listed = self.remote.listing(&self.prefix());
        if let Some(listed) = &listed {
            let last = known.last().copied().unwrap_or(0);
            self.check_numbers(&self.numbers(listed.iter().map(|object| object.key.as_str())), last)?;
            self.remote.copy_missing(listed.iter().map(|object| object.key.clone()))?;
        }
        let mut records = Vec::new();
        loop {
            let (number, path) = (self.read + 1, self.remote.root().join(self.key(self.read + 1)));
            if !path.is_file() {
                break;
            }
            let bytes = read_limited(&path, LIMIT)?;
            self.add(number, &bytes, &mut records)?;
        }
        self.check_cache()?;
        Ok(records)
    }

    /// Adds the records that the store has beyond those that were read, after a check that these are its history.
    ///
    /// # Errors
    /// [`WatchError::History`]; a store that does not answer.
    pub fn reload(&mut self, records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        let last = self.check()?;
        self.read_new(records)?;
        // One that was listed a moment ago.
        if self.read < last { Err(self.missing(self.read + 1, last)) } else { Ok(()) }
    }

    fn read_new(&mut self, records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        loop {
            let key = self.key(self.read + 1);
            let Some(bytes) = self.remote.read(&key, LIMIT)? else { return Ok(()) };
            self.add(self.read + 1, &bytes, records)?;
            write_file(&self.remote.root().join(&key), &bytes)?;
        }
    }

    /// Writes from now on under a lease, after a check of all objects. If the holder before may still be at work, its further
    /// records are refused.
    pub fn hold(&mut self, lease: Arc<Lease>, records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        self.check_objects()?;
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
            let object = JournalObject { fence, id, previous: self.last.clone(), record: record.cloned() };
            let bytes = serde_json::to_vec(&object).map_err(|error| self.damaged(number, &error))?;
            let key = self.key(number);
            if self.remote.claim(&key, &bytes)? {
                write_file(&self.remote.root().join(&key), &bytes)?;
                return self.add(number, &bytes, records);
            }
            // A person has decided, or another process has taken over.
            self.read_new(records)?;
        }
    }

    /// Checks with the store that the lease holds, and that the records are its history.
    pub fn confirm(&self) -> Result<(), WatchError> {
        let Some(lease) = &self.lease else { return Ok(()) };
        lease.confirm().map_err(|error| WatchError::of_lock(&self.name, error))?;
        self.check_list()?;
        self.check_objects()
    }

    fn add(&mut self, number: u64, bytes: &[u8], records: &mut Vec<WatchRecord>) -> Result<(), WatchError> {
        let object: JournalObject =
            serde_json::from_slice(bytes).map_err(|error| self.damaged(number, &error))?;
        if object.previous.is_some() && object.previous != self.last {
            return Err(self.foreign(number));
        }
        (self.read, self.fence) = (number, self.fence.max(object.fence));
        self.last = Some(sha256_hex(bytes));
        records.extend(object.record);
        Ok(())
    }

    fn damaged(&self, number: u64, error: &serde_json::Error) -> WatchError {
        WatchError::Journal { path: self.remote.address(&self.key(number)), line: 1, why: error.to_string() }
    }

    fn prefix(&self) -> String {
        format!("{ROOT}{}/{FOLDER}/", self.name)
    }

    fn key(&self, number: u64) -> String {
        format!("{}{number:0DIGITS$}.json", self.prefix())
    }
}

#[cfg(test)]
mod tests;
