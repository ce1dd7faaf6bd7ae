//! Manifest of a dataset version.

use std::path::PathBuf;

use cupola_spec::{Data, Expectation};
use cupola_store::DatasetVersion;
use serde::{Deserialize, Serialize};

use crate::contract::ContractReport;
use crate::profile::Profile;

/// Version of a dataset, stored as `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatasetManifest {
    /// Version of the file format.
    pub format_version: u32,
    /// Name of the dataset.
    pub name: String,
    /// Version number, from 1.
    pub version: u64,
    /// Version that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// Time of creation, RFC 3339 in UTC.
    pub created: String,
    /// Identity of the data.
    pub dataset: DatasetVersion,
    /// Settings to collect the source again. Secrets are not filled in.
    pub data: Data,
    /// Folders that relative paths are resolved against.
    pub roots: Vec<PathBuf>,
    /// Largest value of `data.watermark`, or the offsets of a topic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// Id of the last pushed rows in this version or an earlier one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// Licence of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// Update interval of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<String>,
    /// Expectations on the rows.
    pub expect: Vec<Expectation>,
    /// Outcome of the expectations.
    pub report: ContractReport,
    /// Profiles of the columns.
    pub profile: Profile,
}

impl DatasetManifest {
    /// Format version that this code reads and writes.
    pub const FORMAT_VERSION: u32 = 1;

    /// `NAME:VERSION`
    pub fn label(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }
}
