//! Rows of the listings.

use serde::Serialize;

/// A run, as listed by `cupola runs list`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunRow {
    /// Id of the run.
    pub id: String,
    /// Name in the config.
    pub name: String,
    /// Status, as in `run.json`.
    pub status: String,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// Device of the last start.
    pub device: String,
    /// `NAME:VERSION` of the published package.
    pub package: Option<String>,
    /// Metrics of the test split.
    pub metrics: serde_json::Value,
}

/// A package, as listed by `cupola models list`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PackageRow {
    /// Name of the model.
    pub name: String,
    /// Version of the model.
    pub version: u64,
    /// Time of creation, RFC 3339.
    pub created: String,
    /// Id of the run.
    pub run: String,
    /// Aliases that point to this version.
    pub aliases: Vec<String>,
    /// Metrics of the test split.
    pub metrics: serde_json::Value,
}
