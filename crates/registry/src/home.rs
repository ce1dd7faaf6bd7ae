//! The home folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cupola_store::{LocalFolder, STAGED_PREFIX, Storage, folders};
use jiff::Timestamp;

use crate::error::{Error, io};

/// Age from which a staged folder counts as abandoned: a younger one may still be written.
const ABANDONED: Duration = Duration::from_mins(10);

/// The home folder: `--home`, `CUPOLA_HOME` or `./.cupola`.
#[derive(Debug, Clone)]
pub struct Home {
    storage: LocalFolder,
}

impl Home {
    /// Creates a home at `root`. The folder appears with the first write.
    pub fn new(root: PathBuf) -> Self {
        Self { storage: LocalFolder::new(root) }
    }

    /// Path of the home folder.
    pub fn root(&self) -> &Path {
        self.storage.root()
    }

    /// The home as a storage.
    pub fn storage(&self) -> &dyn Storage {
        &self.storage
    }

    /// `runs/`
    pub fn runs(&self) -> PathBuf {
        self.root().join("runs")
    }

    /// `models/`
    pub fn models(&self) -> PathBuf {
        self.root().join("models")
    }

    /// `index.sqlite`
    pub fn index(&self) -> PathBuf {
        self.root().join("index.sqlite")
    }

    /// Names of all models.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn model_names(&self) -> Result<Vec<String>, Error> {
        Ok(self.storage.folders("models")?)
    }

    /// Versions of a model, oldest first.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn versions(&self, name: &str) -> Result<Vec<u64>, Error> {
        let found = folders(&self.models().join(name))?;
        let mut versions: Vec<u64> = found.iter().filter_map(|(name, _)| name.parse().ok()).collect();
        versions.sort_unstable();
        Ok(versions)
    }

    /// Staged folders of killed processes: those that nobody has touched for ten minutes.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub fn leftovers(&self) -> Result<Vec<PathBuf>, Error> {
        let mut found = Vec::new();
        let mut parents = vec![self.models()];
        parents.extend(folders(&self.models())?.into_iter().map(|(_, path)| path));
        for (_, run) in folders(&self.runs())? {
            parents.push(run.join("checkpoints"));
        }
        for parent in parents.iter().filter(|parent| parent.is_dir()) {
            for entry in fs::read_dir(parent).map_err(io(parent))? {
                let entry = entry.map_err(io(parent))?;
                let age = entry.metadata().and_then(|m| m.modified()).ok().and_then(|t| t.elapsed().ok());
                let abandoned = age.is_some_and(|age| age > ABANDONED);
                if abandoned && entry.file_name().to_string_lossy().starts_with(STAGED_PREFIX) {
                    found.push(entry.path());
                }
            }
        }
        Ok(found)
    }
}

/// Current time in UTC, RFC 3339 with milliseconds: runs are ordered by it.
pub fn now() -> String {
    format!("{:.3}", Timestamp::now())
}
