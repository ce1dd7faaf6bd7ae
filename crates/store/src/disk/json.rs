//! JSON documents on disk.

use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::disk::local::read_limited;
use crate::disk::staged::write_file;
use crate::error::Error;

/// Largest accepted JSON file in bytes. Plans with many categories are the largest documents.
pub const JSON_LIMIT: u64 = 64 << 20;

/// Reads a JSON file of at most [`JSON_LIMIT`] bytes.
///
/// # Errors
/// [`Error::Io`], or [`Error::Damaged`] if it does not parse.
pub fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = read_limited(path, JSON_LIMIT)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })
}

/// Pretty-printed JSON with a final line break, as it is written to `path`.
///
/// # Errors
/// [`Error::Damaged`] for a value that JSON does not represent.
pub fn to_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Damaged { path: path.to_owned(), reason: error.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Replaces a JSON file, as [`write_file`] does.
///
/// # Errors
/// As [`to_json`] and [`write_file`].
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), Error> {
    write_file(path, &to_json(path, value)?)
}
