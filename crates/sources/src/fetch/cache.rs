//! Cache of fetched and converted files: `data/cache` of the home.

use std::path::{Path, PathBuf};

use cupola_store::{digest_texts, write_file};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{Error, io_error};

/// Cache folder of a home. It may be removed at any time.
#[derive(Debug)]
pub struct SourceCache {
    root: PathBuf,
}

impl SourceCache {
    /// Cache of the home folder `home`.
    pub fn new(home: &Path) -> Self {
        Self { root: home.join("data").join("cache") }
    }

    /// Creates the folder for the entry `key` of a kind, such as `web`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn folder(&self, kind: &str, key: &str) -> Result<PathBuf, Error> {
        let folder = self.root.join(format!("{kind}-{}", &digest_texts([key])[..24]));
        cupola_store::create_folder(&folder)?;
        Ok(folder)
    }
}

/// Reads a small JSON file; `None` if it is missing or incomplete.
pub(crate) fn read_state<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes a small JSON file atomically.
pub(crate) fn write_state<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| io_error(path)(error.into()))?;
    Ok(write_file(path, &bytes)?)
}
