//! Reading files and folders.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::error::{Error, at};

/// Reads a file of at most `limit` bytes.
///
/// # Errors
/// [`Error::Io`], or [`Error::Damaged`] for a larger file or a folder in its place.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    // Opening a pipe would wait for its writer.
    if !fs::metadata(path).map_err(at(path))?.is_file() {
        return Err(Error::Damaged { path: path.to_owned(), reason: "expected a regular file".to_owned() });
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(at(path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(at(path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Damaged { path: path.to_owned(), reason: format!("larger than {limit} bytes") });
    }
    Ok(bytes)
}

/// Names and paths of the folders in `path`, sorted by name. Links are left out, names with a leading
/// dot, which staged folders have, and names that are not plain text. Empty if `path` does not exist.
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
        let Ok(name) = entry.file_name().into_string() else { continue };
        let plain = !name.starts_with('.') && !name.contains(char::is_control);
        if plain && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
