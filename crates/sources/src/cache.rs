//! Cache of fetched and converted files: `data/cache` of the home.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use crate::error::Error;

/// Cache folder of a home. It may be removed at any time.
#[derive(Debug)]
pub struct SourceCache {
    root: PathBuf,
}

/// SHA-256 of texts in hexadecimal; each text is preceded by its length, so that their borders count.
pub fn digest_texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hasher = Sha256::new();
    for text in texts {
        hasher.update((text.len() as u64).to_le_bytes());
        hasher.update(text.as_bytes());
    }
    const_hex::encode(hasher.finalize())
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
        std::fs::create_dir_all(&folder).map_err(io_error(&folder))?;
        Ok(folder)
    }
}

/// Converts an [`std::io::Error`] about `path`.
pub fn io_error(path: &Path) -> impl Fn(std::io::Error) -> Error + Copy + '_ {
    move |source| Error::Io { path: path.to_owned(), source }
}

/// Reads a small JSON file; `None` if it is missing or incomplete.
pub(crate) fn read_state<T: DeserializeOwned>(path: &Path) -> Option<T> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}

/// Writes a small JSON file atomically.
pub(crate) fn write_state<T: Serialize>(path: &Path, value: &T) -> Result<(), Error> {
    let bytes = serde_json::to_vec_pretty(value).map_err(|error| io_error(path)(error.into()))?;
    write_atomic(path, &bytes)
}

/// Writes a file atomically: staged beside `path`, synced, renamed.
///
/// # Errors
/// [`Error::Io`]; `path` is then unchanged.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(io_error(folder))?;
    let mut staged = tempfile::NamedTempFile::new_in(folder).map_err(io_error(path))?;
    staged.write_all(bytes).and_then(|()| staged.as_file().sync_all()).map_err(io_error(path))?;
    staged.persist(path).map_err(|error| io_error(path)(error.error))?;
    Ok(())
}
