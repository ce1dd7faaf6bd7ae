//! Which data a run has seen: digests, schema, counts, source.

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::collect::digest;
use crate::error::Error;
use crate::files::open;
use crate::watch::{Unit, Watch};

/// A dataset as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatasetVersion {
    /// SHA-256 over the files' digests, the query and the schema: what makes two datasets equal.
    pub sha256: String,
    /// The source as typed.
    pub source: Vec<String>,
    /// The SQL, if any.
    pub query: Option<String>,
    /// The files read.
    pub files: Vec<FileVersion>,
    /// Versions of named datasets among the sources, as `NAME:VERSION`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// Column names and Arrow types, after the query.
    pub schema: Vec<(String, String)>,
    /// Rows after the query.
    pub rows: usize,
}

/// One file as it was when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileVersion {
    /// Name without its folder: a dataset that is moved stays the same.
    pub name: String,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 of the bytes.
    pub sha256: String,
}

impl FileVersion {
    /// Reads and hashes a file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn of(path: &Path, watch: &dyn Watch) -> Result<Self, Error> {
        let mut file = open(path)?;
        let total = file.metadata().ok().map(|about| about.len());
        // What takes no time is not worth a bar.
        let long = total.is_some_and(|total| total > 256 << 20);
        if long {
            watch.begin(&format!("checking {}", path.display()), Unit::Bytes, total);
        }
        let (mut hasher, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 18]);
        loop {
            let n = file.read(&mut buffer).map_err(|source| Error::Io { path: path.to_owned(), source })?;
            if n == 0 {
                break;
            }
            hasher.update(&buffer[..n]);
            bytes += n as u64;
            if long {
                watch.advance(n as u64);
            }
        }
        if long {
            watch.end();
        }
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, bytes, sha256: hex(&hasher.finalize()) })
    }
}

impl DatasetVersion {
    pub(crate) fn new(
        source: &[String],
        query: Option<&str>,
        files: Vec<FileVersion>,
        schema: Vec<(String, String)>,
        rows: usize,
    ) -> Self {
        let digests = files.iter().map(|file| file.sha256.as_str());
        let columns = schema.iter().flat_map(|(name, kind)| [name.as_str(), kind.as_str()]);
        let sha256 = digest(digests.chain([query.unwrap_or_default()]).chain(columns));
        let (source, query) = (source.to_vec(), query.map(str::to_owned));
        Self { sha256, source, query, files, datasets: Vec::new(), schema, rows }
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
