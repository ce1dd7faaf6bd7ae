//! File with the states of alerts, silences and queues.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cupola_monitor::alert::EngineMemory;
use cupola_store::{Lock, read_json, write_json};
use serde::{Deserialize, Serialize};

use super::outbox::Outbox;

/// Seconds for which the queue of a receiver that is not configured is kept.
const UNCLAIMED_KEPT: i64 = 86_400;

/// Place of the states of this process.
#[derive(Debug)]
pub(super) struct AlertFile {
    path: PathBuf,
    _lock: Option<Lock>,
}

impl AlertFile {
    /// File that this process alone writes; `None` if another server has it, which is told. On a file system without
    /// locks it is used without one.
    pub fn open(path: PathBuf) -> Option<Self> {
        match Lock::try_file(&path.with_extension("lock")) {
            Ok(lock) => Some(Self { path, _lock: Some(lock) }),
            Err(cupola_store::Error::Locked { holder, .. }) => {
                tracing::warn!(
                    file = %path.display(),
                    holder,
                    "another server keeps its alerts in the same file: alerts and silences of this one are lost at its end; \
                     give each server a --home of its own"
                );
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the file of the alerts cannot be locked; let no other server use the same home");
                Some(Self { path, _lock: None })
            }
        }
    }

    /// States of an earlier process.
    pub fn read(&self) -> AlertStore {
        AlertStore::read(&self.path)
    }

    /// Writes the file.
    pub fn write(&self, store: &AlertStore) -> Result<(), cupola_store::Error> {
        write_json(&self.path, store)
    }
}

/// All that outlives the process.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AlertStore {
    pub engine: EngineMemory,
    /// Queues by the names of receivers.
    pub outboxes: BTreeMap<String, Outbox>,
}

impl AlertStore {
    /// Queues that belong to no receiver, a day long: a name may return.
    pub fn unclaimed(self, now: i64) -> BTreeMap<String, Outbox> {
        let mut outboxes = self.outboxes;
        outboxes.retain(|name, outbox| {
            let waiting = outbox.len();
            let since = outbox.unclaimed.map_or(now, |since| since.min(now));
            outbox.unclaimed = Some(since);
            let is_kept = waiting > 0 && now - since < UNCLAIMED_KEPT;
            if is_kept {
                tracing::warn!(
                    receiver = name,
                    waiting,
                    "notifications wait for a receiver that is not configured; they are kept for a day"
                );
            } else if waiting > 0 {
                tracing::warn!(
                    receiver = name,
                    waiting,
                    "notifications are dropped: the receiver was not configured for a day"
                );
            }
            is_kept
        });
        outboxes
    }

    /// Reads the file. One that is damaged is put aside, since a server must start without it.
    fn read(path: &Path) -> Self {
        if !path.exists() {
            return Self::default();
        }
        read_json(path).unwrap_or_else(|error| {
            let aside: PathBuf = path.with_extension("damaged.json");
            tracing::warn!(%error, aside = %aside.display(), "failed to read the alerts; they begin anew");
            let _ = std::fs::rename(path, &aside);
            Self::default()
        })
    }
}
