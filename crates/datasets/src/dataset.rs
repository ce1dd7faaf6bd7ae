//! Named datasets of a home: immutable versions, each a manifest over content-addressed blobs.
//!
//! `data/NAME/VERSION/manifest.json` appears only when all of its blobs are in `data/blobs`, so that a
//! version is complete or absent. Versions share the blobs of equal files.

mod add;
mod blobs;
mod diff;
mod dvc;
mod encryption;
mod ingest;
mod manifest;
mod pushed;
mod remote;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use cupola_sources::{
    DataFile, DatasetResolver, Error as SourceError, FileVersion, ProgressSink, ResolvedDataset, SourceCache,
};
use cupola_spec::{NAME_RULE, did_you_mean, is_name};
use cupola_store::{Lock, Remote, StagedFolder, folders, next_version, split_version, versions};

pub use self::add::{AddOutcome, DatasetInfo};
pub use self::diff::{ColumnDiff, Diff};
pub use self::dvc::push_dvc;
pub use self::ingest::{IngestError, IngestLog};
pub use self::manifest::DatasetManifest;

use self::blobs::Blobs;
use crate::error::Error;

/// Datasets of a home folder.
#[derive(Debug, Clone)]
pub struct Datasets {
    home: PathBuf,
    /// Object store that the home is in.
    remote: Option<Arc<Remote>>,
}

impl Datasets {
    /// Datasets of `home`, which need not exist.
    pub fn new(home: &Path) -> Self {
        Self { home: home.to_owned(), remote: Remote::of(home) }
    }

    fn root(&self) -> PathBuf {
        self.home.join("data")
    }

    fn blobs(&self) -> Blobs {
        Blobs::new(self.root().join("blobs"))
    }

    /// `true` if new blobs are encrypted; then copies of their rows must not be kept elsewhere.
    pub fn encrypts(&self) -> bool {
        self.blobs().recipients().is_some()
    }

    fn folder(&self, name: &str, version: u64) -> PathBuf {
        self.root().join(name).join(version.to_string())
    }

    /// Names of all datasets.
    pub fn names(&self) -> Vec<String> {
        // Without the store, the names of the cache are known.
        let _ = self.refresh(None);
        let found = folders(&self.root()).unwrap_or_default().into_iter().map(|(name, _)| name);
        let mut names: Vec<String> = found.filter(|name| checked(name).is_ok()).collect();
        names.retain(|name| self.stored_versions(name).is_ok_and(|versions| !versions.is_empty()));
        names
    }

    /// Versions of a dataset, oldest first; none if they cannot be listed.
    pub fn versions(&self, name: &str) -> Vec<u64> {
        self.found_versions(name).unwrap_or_default()
    }

    /// Versions of a dataset, oldest first; none of an unknown one.
    ///
    /// # Errors
    /// [`Error::Dataset`] for an invalid name, [`Error::Source`] if the system refuses to list them.
    pub fn found_versions(&self, name: &str) -> Result<Vec<u64>, Error> {
        checked(name)?;
        self.refresh(Some(name))?;
        self.stored_versions(name)
    }

    /// Versions in the folder.
    fn stored_versions(&self, name: &str) -> Result<Vec<u64>, Error> {
        Ok(versions(&self.root().join(name), "manifest.json")?)
    }

    /// Newest version whose manifest says so: a folder that was copied to another number must not use up
    /// the numbers before it.
    fn newest(&self, name: &str) -> Option<u64> {
        let says_so = |version: &u64| {
            self.manifest(name, Some(*version)).is_ok_and(|manifest| manifest.version == *version)
        };
        self.versions(name).into_iter().rev().find(says_so)
    }

    /// Reads the manifest of a version; of the newest one if `version` is `None`.
    ///
    /// # Errors
    /// [`Error::Dataset`] for one that is not there, [`Error::Damaged`] for one that cannot be read.
    pub fn manifest(&self, name: &str, version: Option<u64>) -> Result<DatasetManifest, Error> {
        let versions = self.found_versions(name)?;
        let wrong = |why: String| Error::Dataset { name: name.to_owned(), why };
        let Some(newest) = versions.last() else {
            let names = self.names();
            let hint = did_you_mean(name, names.iter().map(String::as_str));
            return Err(wrong(format!("not found{hint}; see `cupola data list`")));
        };
        let version = version.or_else(|| self.newest(name)).unwrap_or(*newest);
        if !versions.contains(&version) {
            return Err(wrong(format!("unknown version {version}; the newest is {newest}")));
        }
        let path = self.folder(name, version).join("manifest.json");
        let bytes = cupola_store::read_limited(&path, DatasetManifest::MAX_BYTES)?;
        let damaged = |why: String| Error::Damaged { path: path.clone(), why };
        let manifest: DatasetManifest =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        manifest.check().map_err(damaged)?;
        Ok(manifest.masked())
    }

    /// Reads the manifest of `NAME` or `NAME:VERSION`, with or without the prefix `dataset:`.
    ///
    /// # Errors
    /// As [`Self::manifest`].
    pub fn named(&self, text: &str) -> Result<DatasetManifest, Error> {
        let text = text.strip_prefix("dataset:").unwrap_or(text);
        let (name, version) = split_version(text)?;
        self.manifest(name, version)
    }

    /// `NAME:VERSION` and the files of a version.
    pub(crate) fn files(&self, name: &str, version: Option<u64>) -> Result<ResolvedDataset, Error> {
        let manifest = self.manifest(name, version)?;
        self.fetch_blobs(&manifest)?;
        let each = manifest.dataset.files.iter().map(|file| {
            let blob = self.blobs().checked(file)?;
            let known = DataFile::named(blob.path, file.name.clone())?;
            Ok((DataFile { decrypted: blob.decrypted, ..known }, file.clone()))
        });
        let files = each.collect::<Result<_, Error>>()?;
        Ok(ResolvedDataset { label: manifest.label(), files, downloaded: manifest.is_downloaded() })
    }

    /// Downloads the files of a version that the cache of a home in an object store lacks; does nothing for a folder.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a file that the store lacks; [`Error::Source`].
    pub fn download(&self, manifest: &DatasetManifest) -> Result<(), Error> {
        self.fetch_blobs(manifest)
    }

    /// Reads every blob of a version and checks its digest.
    ///
    /// # Errors
    /// [`Error::Damaged`] names the blob.
    pub fn verify(&self, manifest: &DatasetManifest, progress: &dyn ProgressSink) -> Result<(), Error> {
        self.fetch_blobs(manifest)?;
        manifest.dataset.files.iter().try_for_each(|file| self.blobs().verify(file, progress))
    }

    /// Publishes the manifest as the version after its parent, if no other process has made one.
    fn publish_next(&self, manifest: &mut DatasetManifest) -> Result<(), Error> {
        match &self.remote {
            Some(remote) => self.publish_to(remote, manifest, true),
            None => self.publish(manifest),
        }
    }

    /// Assigns the next version number and publishes the manifest.
    fn publish(&self, manifest: &mut DatasetManifest) -> Result<(), Error> {
        if let Some(remote) = &self.remote {
            return self.publish_to(remote, manifest, false);
        }
        let folder = self.root().join(&manifest.name);
        // The lock is held until the version is published.
        let _lock = Lock::folder(&folder)?;
        manifest.version = next_version(&folder, self.newest(&manifest.name))?;
        let staged = StagedFolder::new(&self.folder(&manifest.name, manifest.version))?;
        let bytes = serde_json::to_vec_pretty(manifest)
            .map_err(|error| Error::Damaged { path: folder.clone(), why: error.to_string() })?;
        staged.write("manifest.json", &bytes)?;
        Ok(staged.commit()?)
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

/// Most characters of an invalid name that a message shows.
const SHOWN_CHARACTERS: usize = 64;
/// Folders of `data/` that are not datasets.
const RESERVED: [&str; 4] = ["blobs", "cache", "quarantine", "prepared"];

/// Checks the name of a dataset.
fn checked(name: &str) -> Result<(), Error> {
    if is_name(name) && !RESERVED.contains(&name) {
        return Ok(());
    }
    let why = format!("invalid name; use {NAME_RULE}, except {}", RESERVED.join(", "));
    let shown = name.chars().take(SHOWN_CHARACTERS).collect();
    Err(Error::Dataset { name: shown, why })
}

#[cfg(test)]
mod tests;
