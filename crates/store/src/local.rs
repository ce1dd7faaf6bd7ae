//! Reading files and folders.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, at};

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// [`Error::Io`], or [`Error::Damaged`] for a larger file.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(at(path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(at(path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Damaged { path: path.to_owned(), reason: format!("larger than {limit} bytes") });
    }
    Ok(bytes)
}

/// Names and paths of the folders in `path`, sorted by name. Names with a leading dot are left
/// out: staged folders have one. Empty if `path` does not exist.
///
/// # Errors
/// [`Error::Io`].
pub fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(at(path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_dir() {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
