//! Identity of a file: its name, size and digest.

use std::path::Path;

use cupola_store::FileVersion;

use crate::error::Error;
use crate::progress::{ProgressSink, ProgressUnit};

/// Smallest file whose hashing is reported: 256 MiB.
const REPORTED_BYTES: u64 = 256 << 20;

/// Reads and hashes a file.
///
/// # Errors
/// [`Error::Io`].
pub fn file_version(path: &Path, progress: &dyn ProgressSink) -> Result<FileVersion, Error> {
    let total = std::fs::metadata(path).ok().map(|metadata| metadata.len());
    if total.is_none_or(|total| total <= REPORTED_BYTES) {
        return Ok(FileVersion::read(path, |_| {})?);
    }
    progress.begin(&format!("checking {}", path.display()), ProgressUnit::Bytes, total);
    let version = FileVersion::read(path, |bytes| progress.advance(bytes));
    progress.end();
    Ok(version?)
}
