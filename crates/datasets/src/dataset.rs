//! Named datasets in the home: immutable versions, each a manifest over blobs that are called by the
//! digest of their bytes.
//!
//! `data/NAME/VERSION/manifest.json` appears only when all of its blobs are in `data/blobs`, so a version
//! is whole or not there. Equal files of several versions are one blob.

mod add;
mod blobs;
mod diff;
mod dvc;
mod encryption;
mod ingest;
mod pushed;
mod remote;

use std::path::{Path, PathBuf};

use cupola_spec::{Data, nearest};
use serde::{Deserialize, Serialize};

pub use self::add::{AddOutcome, DatasetInfo};
pub use self::diff::{ColumnDiff, Diff};
pub use self::dvc::push_dvc;
pub use self::ingest::{IngestError, IngestLog};

use self::blobs::Blobs;
use crate::contract::ContractReport;
use crate::error::{Error, io_error};
use crate::profile::Profile;
use crate::version::DatasetVersion;
use cupola_sources::FileVersion;
use cupola_sources::ProgressSink;
use cupola_sources::write_atomic;
use cupola_sources::{DataFile, DatasetResolver, Error as SourceError, ResolvedDataset, SourceCache};

/// A version of a dataset, `manifest.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DatasetManifest {
    /// Of the file format.
    pub format_version: u32,
    /// Name of the dataset.
    pub name: String,
    /// Counts from 1.
    pub version: u64,
    /// The version that it was made from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<u64>,
    /// When, RFC 3339 in UTC.
    pub created: String,
    /// Digest, source, query, files, schema, rows.
    pub dataset: DatasetVersion,
    /// How the source is asked, so that it can be asked again. Variables are not filled in.
    pub data: Data,
    /// Folders that its paths are relative to.
    pub roots: Vec<PathBuf>,
    /// The largest value of `data.watermark`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watermark: Option<String>,
    /// Which pushed rows it, or one before it, took last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pushed: Option<String>,
    /// Whose it is to use, and how.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub licence: Option<String>,
    /// How often the source changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<String>,
    /// What was expected of it, and how it met that.
    pub expect: Vec<cupola_spec::Expectation>,
    /// The outcomes.
    pub report: ContractReport,
    /// What its columns hold.
    pub profile: Profile,
}

impl DatasetManifest {
    /// Version of `manifest.json` that this code writes and reads.
    pub const FORMAT_VERSION: u32 = 1;

    /// `NAME:VERSION`
    pub fn label(&self) -> String {
        format!("{}:{}", self.name, self.version)
    }
}

/// All datasets of a home.
#[derive(Debug, Clone)]
pub struct Datasets {
    home: PathBuf,
}

impl Datasets {
    /// Those of a home folder, which need not be there.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned() }
    }

    fn root(&self) -> PathBuf {
        self.home.join("data")
    }

    fn blobs(&self) -> Blobs {
        Blobs::new(self.root().join("blobs"))
    }

    /// Whether new blobs are encrypted: then no copy of their rows may be kept elsewhere.
    pub fn encrypts(&self) -> bool {
        self.blobs().recipients().is_some()
    }

    fn folder(&self, name: &str, version: u64) -> PathBuf {
        self.root().join(name).join(version.to_string())
    }

    /// Names of all datasets.
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> =
            folders(&self.root()).into_iter().filter(|name| checked(name).is_ok()).collect();
        names.retain(|name| !self.versions(name).is_empty());
        names.sort();
        names
    }

    /// Versions of a dataset, oldest first.
    pub fn versions(&self, name: &str) -> Vec<u64> {
        let folders = folders(&self.root().join(name)).into_iter();
        let mut versions: Vec<u64> = folders.filter_map(|folder| folder.parse().ok()).collect();
        versions.sort_unstable();
        versions
    }

    /// A version's manifest; that of the newest one where none is named.
    ///
    /// # Errors
    /// [`Error::Dataset`] for one that is not there, [`Error::Damaged`] for one that cannot be read.
    pub fn manifest(&self, name: &str, version: Option<u64>) -> Result<DatasetManifest, Error> {
        checked(name)?;
        let versions = self.versions(name);
        let wrong = |why: String| Error::Dataset { name: name.to_owned(), why };
        let Some(newest) = versions.last() else {
            let names = self.names();
            let near = nearest(name, names.iter().map(String::as_str));
            let near = near.map_or(String::new(), |near| format!(" (near it: {near})"));
            return Err(wrong(format!("there is none{near}; see `cupola data list`")));
        };
        let version = version.unwrap_or(*newest);
        if !versions.contains(&version) {
            return Err(wrong(format!("there is no version {version}; the newest is {newest}")));
        }
        let path = self.folder(name, version).join("manifest.json");
        let bytes = std::fs::read(&path).map_err(io_error(&path))?;
        serde_json::from_slice(&bytes).map_err(|error| Error::Damaged { path, why: error.to_string() })
    }

    /// `NAME` or `NAME:VERSION`, with or without `dataset:` before it.
    ///
    /// # Errors
    /// As [`Self::manifest`].
    pub fn named(&self, text: &str) -> Result<DatasetManifest, Error> {
        let text = text.strip_prefix("dataset:").unwrap_or(text);
        let (name, version) = match text.split_once(':') {
            None => (text, None),
            Some((name, version)) => {
                let wrong = || Error::Dataset {
                    name: name.to_owned(),
                    why: format!("`{version}` is no version; write NAME:1"),
                };
                (name, Some(version.parse().map_err(|_| wrong())?))
            }
        };
        self.manifest(name, version)
    }

    /// `NAME:VERSION` and the files of a version.
    pub(crate) fn files(&self, name: &str, version: Option<u64>) -> Result<ResolvedDataset, Error> {
        let manifest = self.manifest(name, version)?;
        let each = manifest.dataset.files.iter().map(|file| {
            let blob = self.blobs().checked(file)?;
            let known = DataFile::named(blob.path, file.name.clone())?;
            Ok((DataFile { decrypted: blob.decrypted, ..known }, file.clone()))
        });
        Ok(ResolvedDataset { label: manifest.label(), files: each.collect::<Result<_, Error>>()? })
    }

    /// Reads every blob of a version and compares its digest.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the blob.
    pub fn verify(&self, manifest: &DatasetManifest, progress: &dyn ProgressSink) -> Result<(), Error> {
        manifest.dataset.files.iter().try_for_each(|file| self.blobs().verify(file, progress))
    }

    /// Makes a version appear, as the next one of its dataset.
    fn publish(&self, manifest: &mut DatasetManifest) -> Result<(), Error> {
        let folder = self.root().join(&manifest.name);
        let io = io_error(&folder);
        std::fs::create_dir_all(&folder).map_err(io)?;
        let lock =
            std::fs::File::options().create(true).truncate(false).write(true).open(folder.join(".lock"));
        // Held until the version stands there.
        let lock = lock.map_err(io)?;
        lock.lock().map_err(io)?;
        manifest.version = self.versions(&manifest.name).last().map_or(1, |newest| newest + 1);
        let staged = tempfile::Builder::new().prefix(".staged-").tempdir_in(&folder).map_err(io)?;
        let bytes = serde_json::to_vec_pretty(manifest)
            .map_err(|error| Error::Damaged { path: folder.clone(), why: error.to_string() })?;
        write_atomic(&staged.path().join("manifest.json"), &bytes)?;
        std::fs::rename(staged.path(), self.folder(&manifest.name, manifest.version)).map_err(io)?;
        let _ = staged.keep();
        std::fs::File::open(&folder).and_then(|folder| folder.sync_all()).map_err(io)
    }
}

impl DatasetResolver for Datasets {
    fn dataset(&self, name: &str, version: Option<u64>) -> Result<ResolvedDataset, SourceError> {
        Ok(self.files(name, version)?)
    }

    fn tracked(&self, path: &Path) -> Result<Vec<(DataFile, FileVersion)>, SourceError> {
        Ok(dvc::tracked(path, &SourceCache::new(&self.home))?)
    }
}

/// A name that can be a folder and part of a source.
fn checked(name: &str) -> Result<(), Error> {
    let fits = !name.is_empty()
        && name.len() <= 64
        && !name.starts_with('-')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        && !["blobs", "cache", "quarantine", "prepared"].contains(&name);
    if fits {
        return Ok(());
    }
    let why = "is no name for a dataset; use letters, digits, `_` and `-`".to_owned();
    Err(Error::Dataset { name: name.to_owned(), why })
}

fn folders(path: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().to_string_lossy().into_owned());
    names.filter(|name| !name.starts_with('.')).collect()
}

#[cfg(test)]
mod tests;
