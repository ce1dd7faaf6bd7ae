//! Identity of a file: its name, size and digest.

use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::open_file;
use crate::cache::io_error;
use crate::error::Error;
use crate::progress::{ProgressSink, ProgressUnit};

/// Smallest file whose hashing is reported: 256 MiB.
const REPORTED_BYTES: u64 = 256 << 20;

/// Name, size and SHA-256 of a file when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileVersion {
    /// File name without its folder, so that a dataset that is moved stays the same.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes in hexadecimal.
    pub sha256: String,
}

impl FileVersion {
    /// Reads and hashes a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of(path: &Path, progress: &dyn ProgressSink) -> Result<Self, Error> {
        let mut file = open_file(path)?;
        let total = file.metadata().ok().map(|metadata| metadata.len());
        let reported = total.is_some_and(|total| total > REPORTED_BYTES);
        if reported {
            progress.begin(&format!("checking {}", path.display()), ProgressUnit::Bytes, total);
        }
        let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
        loop {
            let n = file.read(&mut buffer).map_err(io_error(path))?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            bytes += n as u64;
            if reported {
                progress.advance(n as u64);
            }
        }
        if reported {
            progress.end();
        }
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, bytes, sha256: const_hex::encode(hasher.finalize()) })
    }
}
