//! Identity of the data that a run has read.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::{digest_texts, sha256_file};
use crate::error::Error;

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
    /// Reads and hashes a file. `progress` receives the size of each part that was read.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn read(path: &Path, progress: impl FnMut(u64)) -> Result<Self, Error> {
        let (sha256, bytes) = sha256_file(path, progress)?;
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(Self { name, bytes, sha256 })
    }
}

/// Digest, files and schema of a dataset when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DatasetVersion {
    /// SHA-256 over the files' digests, the query, the schema, and whatever else decides which rows there are; equal for
    /// equal datasets.
    pub sha256: String,
    /// Locations as typed.
    pub source: Vec<String>,
    /// SQL of `data.query`.
    pub query: Option<String>,
    /// Files that were read.
    pub files: Vec<FileVersion>,
    /// Versions of named datasets among the sources, as `NAME:VERSION`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// Column names and Arrow types, after the query.
    pub schema: Vec<(String, String)>,
    /// Number of rows after the query.
    pub rows: usize,
}

impl DatasetVersion {
    /// Creates a version without named datasets and computes its digest.
    pub fn new(
        source: &[String],
        query: Option<&str>,
        files: Vec<FileVersion>,
        schema: Vec<(String, String)>,
        rows: usize,
    ) -> Self {
        let digests = files.iter().map(|file| file.sha256.as_str());
        let columns = schema.iter().flat_map(|(name, kind)| [name.as_str(), kind.as_str()]);
        let sha256 = digest_texts(digests.chain([query.unwrap_or_default()]).chain(columns));
        let (source, query) = (source.to_vec(), query.map(str::to_owned));
        Self { sha256, source, query, files, datasets: Vec::new(), schema, rows }
    }

    /// The version with another digest: that of rows which `what` decides beside the files, such as the numbers of the
    /// rows that are left out.
    #[must_use]
    pub fn distinguished_by(mut self, what: &str) -> Self {
        self.sha256 = digest_texts([self.sha256.as_str(), what]);
        self
    }
}
