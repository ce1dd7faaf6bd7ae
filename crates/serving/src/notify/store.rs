//! File with the states of alerts, silences and queues.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use cupola_monitor::alert::EngineMemory;
use cupola_store::{read_json, write_json};
use serde::{Deserialize, Serialize};

use super::outbox::Outbox;

/// All that outlives the process.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct AlertStore {
    pub engine: EngineMemory,
    /// Queues by the names of receivers.
    pub outboxes: BTreeMap<String, Outbox>,
}

impl AlertStore {
    /// Reads the file. One that is damaged is put aside, since a server must start without it.
    pub fn read(path: &Path) -> Self {
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

    /// Writes the file.
    pub fn write(&self, path: &Path) -> Result<(), cupola_store::Error> {
        write_json(path, self)
    }
}
