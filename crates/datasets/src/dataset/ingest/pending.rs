//! Rows that a new version takes.

use std::path::PathBuf;

use cupola_store::Lock;

use super::store::{StoreInbox, StoredRows};
use crate::dataset::{DatasetManifest, Datasets};
use crate::error::{Error, io_error};

/// Pushed rows that were set aside for a new version, and are removed once it exists.
pub(in crate::dataset) struct PendingRows {
    pub path: PathBuf,
    /// Unique id: equal rows may be pushed again, so a digest would not do.
    pub id: String,
    /// Ids of objects that the new version and those before have taken; empty for a home in a folder.
    pub taken: Vec<String>,
    /// Ids of the objects with these rows.
    batches: Vec<String>,
    inbox: Option<StoreInbox>,
}

impl PendingRows {
    /// Sets the rows aside that were pushed since a version; `None` if there are none.
    pub fn of(datasets: &Datasets, parent: &DatasetManifest) -> Result<Option<Self>, Error> {
        if let Some(inbox) = StoreInbox::of(datasets, &parent.name) {
            let found = inbox.pending(parent)?;
            return Ok(found.map(|StoredRows { path, id, taken, batches }| {
                let inbox = Some(inbox);
                Self { path, id, taken, batches, inbox }
            }));
        }
        let folder = super::files::folder(datasets, &parent.name);
        if !folder.is_dir() {
            return Ok(None);
        }
        let _lock = Lock::folder(&folder)?;
        // Rows that an earlier attempt set aside come first.
        for entry in std::fs::read_dir(&folder).map_err(io_error(&folder))? {
            let path = entry.map_err(io_error(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(id) = name.strip_prefix("taken-").and_then(|rest| rest.strip_suffix(".jsonl")) {
                return Ok(Some(Self::in_folder(path, id.to_owned())));
            }
        }
        let rows = folder.join("rows.jsonl");
        if !rows.exists() {
            return Ok(None);
        }
        let id = uuid::Uuid::now_v7().simple().to_string();
        let path = folder.join(format!("taken-{id}.jsonl"));
        std::fs::rename(&rows, &path).map_err(io_error(&path))?;
        Ok(Some(Self::in_folder(path, id)))
    }

    fn in_folder(path: PathBuf, id: String) -> Self {
        Self { path, id, taken: Vec::new(), batches: Vec::new(), inbox: None }
    }

    /// Removes the rows, which a version now holds.
    pub fn done(self) -> Result<(), Error> {
        if let Some(inbox) = &self.inbox {
            inbox.delete(&self.batches);
        }
        std::fs::remove_file(&self.path).map_err(io_error(&self.path))
    }
}
