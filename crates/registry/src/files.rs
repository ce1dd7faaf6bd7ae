//! Writing that leaves a whole file or none, and reading with a limit.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::Error;

pub(crate) fn io(path: &Path) -> impl FnOnce(std::io::Error) -> Error + '_ {
    |source| Error::Io { path: path.to_owned(), source }
}

/// SHA-256 in lower-case hex.
pub fn sha256_hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Replaces a file: written beside it, synced, renamed, the folder synced.
///
/// # Errors
/// [`Error::Io`]; the old file is then still whole.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let folder = parent(path);
    fs::create_dir_all(folder).map_err(io(folder))?;
    let mut staged = tempfile::NamedTempFile::new_in(folder).map_err(io(path))?;
    staged.write_all(bytes).and_then(|()| staged.as_file().sync_all()).map_err(io(path))?;
    staged.persist(path).map_err(|error| Error::Io { path: path.to_owned(), source: error.error })?;
    sync_folder(folder)
}

/// Makes a folder with these files appear at `path` at once; a folder that stands there is
/// replaced.
///
/// # Errors
/// [`Error::Io`]; nothing is then at `path` that was not there before.
pub fn write_folder(path: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let parent = parent(path);
    fs::create_dir_all(parent).map_err(io(parent))?;
    let staged = tempfile::Builder::new().prefix(".staged-").tempdir_in(parent).map_err(io(path))?;
    for (name, bytes) in files {
        let target = staged.path().join(name);
        // The message names where the file was to be, not its staging place.
        let wanted = path.join(name);
        let mut file = File::create(&target).map_err(io(&wanted))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(io(&wanted))?;
    }
    sync_folder(staged.path())?;
    if path.exists() {
        fs::remove_dir_all(path).map_err(io(path))?;
    }
    fs::rename(staged.path(), path).map_err(io(path))?;
    // The folder has moved: there is nothing left to remove.
    let _ = staged.keep();
    sync_folder(parent)
}

/// The folder above; here for a bare name.
fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(io(path))
}

/// A file's bytes, at most `limit` of them.
///
/// # Errors
/// [`Error::Io`], or [`Error::Damaged`] for a larger file.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(io(path))?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(io(path))?;
    if bytes.len() as u64 > limit {
        return Err(Error::Damaged { path: path.to_owned(), why: format!("larger than {limit} bytes") });
    }
    Ok(bytes)
}

/// Bytes of a JSON file at most: plans with many categories are the largest there are.
pub(crate) const JSON_LIMIT: u64 = 64 << 20;

pub(crate) fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let bytes = read_limited(path, JSON_LIMIT)?;
    serde_json::from_slice(&bytes)
        .map_err(|error| Error::Damaged { path: path.to_owned(), why: error.to_string() })
}

pub(crate) fn to_json<T: serde::Serialize>(path: &Path, value: &T) -> Result<Vec<u8>, Error> {
    let mut bytes = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::Damaged { path: path.to_owned(), why: error.to_string() })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Names of the folders in `path` that do not start with a dot; none where it is not there.
pub(crate) fn folders(path: &Path) -> Result<Vec<(String, PathBuf)>, Error> {
    let entries = match fs::read_dir(path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::Io { path: path.to_owned(), source }),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(io(path))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !name.starts_with('.') && entry.path().is_dir() {
            found.push((name, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}
