//! Differences between two versions: columns, rows, distributions.

use serde::Serialize;

use super::DatasetManifest;
use crate::profile::{ColumnProfile, Drift};

/// Differences between two versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diff {
    /// `NAME:VERSION`
    pub from: String,
    /// `NAME:VERSION`
    pub to: String,
    /// Numbers of rows.
    pub rows: (usize, usize),
    /// Columns of the second version only.
    pub added: Vec<String>,
    /// Columns of the first version only.
    pub removed: Vec<String>,
    /// Names of files that differ.
    pub files: Vec<String>,
    /// Columns of both versions, in the order of the second.
    pub columns: Vec<ColumnDiff>,
}

/// Differences of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDiff {
    /// Its name.
    pub name: String,
    /// Arrow types.
    pub types: (String, String),
    /// Shares of missing values.
    pub missing: (f64, f64),
    /// Numbers of distinct values.
    pub distinct: (u64, u64),
    /// Means of a numeric column.
    pub mean: Option<(f64, f64)>,
    /// Population stability index over the deciles or the most frequent values of the first version, from the
    /// profiles alone; `None` if there is nothing to compare.
    pub drift: Option<f64>,
}

impl Diff {
    /// Compares two manifests without reading rows.
    pub fn of(from: &DatasetManifest, to: &DatasetManifest) -> Self {
        let names = |manifest: &DatasetManifest| -> Vec<String> {
            manifest.profile.columns.iter().map(|column| column.name.clone()).collect()
        };
        let (old, new) = (names(from), names(to));
        let files = to
            .dataset
            .files
            .iter()
            .filter(|file| !from.dataset.files.iter().any(|other| other.sha256 == file.sha256));
        let gone = from
            .dataset
            .files
            .iter()
            .filter(|file| !to.dataset.files.iter().any(|other| other.sha256 == file.sha256));
        let mut files: Vec<String> = files.chain(gone).map(|file| file.name.clone()).collect();
        files.dedup();
        let both = to.profile.columns.iter().filter_map(|b| Some((from.profile.column(&b.name)?, b)));
        Self {
            from: from.label(),
            to: to.label(),
            rows: (from.dataset.rows, to.dataset.rows),
            added: new.iter().filter(|name| !old.contains(name)).cloned().collect(),
            removed: old.iter().filter(|name| !new.contains(name)).cloned().collect(),
            files,
            columns: both.map(|(a, b)| ColumnDiff::of(a, b)).collect(),
        }
    }

    /// `true` if files, columns and numbers of rows are equal.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
            && self.added.is_empty()
            && self.removed.is_empty()
            && self.rows.0 == self.rows.1
    }
}

impl ColumnDiff {
    fn of(a: &ColumnProfile, b: &ColumnProfile) -> Self {
        let share = |column: &ColumnProfile| column.missing as f64 / column.rows.max(1) as f64;
        let means = a.numbers.as_ref().zip(b.numbers.as_ref()).map(|(a, b)| (a.mean, b.mean));
        Self {
            name: b.name.clone(),
            types: (a.kind.clone(), b.kind.clone()),
            missing: (share(a), share(b)),
            distinct: (a.distinct, b.distinct),
            mean: means,
            drift: Drift::between(a, b),
        }
    }
}
