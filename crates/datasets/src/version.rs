//! Identity of the data that a run has seen.

use cupola_sources::{FileVersion, digest_texts};
use serde::{Deserialize, Serialize};

/// Digest, files and schema of a dataset when it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct DatasetVersion {
    /// SHA-256 over the files' digests, the query and the schema; equal for equal datasets.
    pub sha256: String,
    /// Locations as typed.
    pub source: Vec<String>,
    /// SQL of `data.query`.
    pub query: Option<String>,
    /// Files that were read.
    pub files: Vec<FileVersion>,
    /// Versions of named datasets among the sources, as `NAME:VERSION`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub datasets: Vec<String>,
    /// Column names and Arrow types, after the query.
    pub schema: Vec<(String, String)>,
    /// Number of rows after the query.
    pub rows: usize,
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
        let sha256 = digest_texts(digests.chain([query.unwrap_or_default()]).chain(columns));
        let (source, query) = (source.to_vec(), query.map(str::to_owned));
        Self { sha256, source, query, files, datasets: Vec::new(), schema, rows }
    }
}
