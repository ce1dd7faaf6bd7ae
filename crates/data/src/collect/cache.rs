//! `data/cache` of the home: what was fetched or written in another form.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::version::hex;

/// Folders that can be removed at any time.
pub(crate) struct Cache {
    root: PathBuf,
}

/// SHA-256 of texts, each with its length before it.
pub(crate) fn digest<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    hex(&hasher.finalize())
}

impl Cache {
    pub fn new(home: &Path) -> Self {
        Self { root: home.join("data").join("cache") }
    }

    /// A folder of its own for something that is told apart by `key`.
    pub fn folder(&self, kind: &str, key: &str) -> Result<PathBuf, Error> {
        let folder = self.root.join(format!("{kind}-{}", &digest([key])[..24]));
        std::fs::create_dir_all(&folder).map_err(io(&folder))?;
        Ok(folder)
    }
}

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    |source| Error::Io { path: path.to_owned(), source }
}

/// A small JSON file, or nothing where it is not there or not whole.
pub(crate) fn read_state<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes a small JSON file whole or not at all.
pub(crate) fn write_state<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Damaged { path: path.to_owned(), why: error.to_string() })?;
    write_whole(path, &bytes)
}

/// Writes beside, syncs, renames.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io(folder))?;
    let mut staged = tempfile::NamedTempFile::new_in(folder).map_err(io(path))?;
    staged.write_all(bytes).and_then(|()| staged.as_file().sync_all()).map_err(io(path))?;
    staged.persist(path).map_err(|error| Error::Io { path: path.to_owned(), source: error.error })?;
    Ok(())
}
