//! Datasets of a home in an object store: manifests are listed, blobs are downloaded when they are read, and a version is
//! claimed by its manifest after its blobs.

use cupola_store::{Remote, VERSION_LIMIT, version_number, write_folder};

use super::{DatasetManifest, Datasets, checked};
use crate::error::Error;

/// Extension of an encrypted blob.
const SEALED: &str = ".age";

impl Datasets {
    /// Copies the manifests of a dataset, or of all, that the cache lacks.
    pub(super) fn refresh(&self, name: Option<&str>) -> Result<(), Error> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let prefix = name.map_or_else(|| "data/".to_owned(), |name| format!("data/{name}/"));
        let Some(found) = remote.listing(&prefix) else { return Ok(()) };
        let is_manifest = |key: &String| match key.split('/').collect::<Vec<_>>().as_slice() {
            ["data", name, version, "manifest.json"] => {
                checked(name).is_ok() && version_number(version).is_some()
            }
            _ => false,
        };
        Ok(remote.copy_missing(found.into_iter().map(|object| object.key).filter(is_manifest))?)
    }

    /// Downloads the blobs of a version that the cache lacks, each with its digest.
    ///
    /// # Errors
    /// [`Error::Damaged`] for a blob that the store lacks; [`Error::Source`].
    pub(super) fn fetch_blobs(&self, manifest: &DatasetManifest) -> Result<(), Error> {
        let Some(remote) = &self.remote else { return Ok(()) };
        let blobs = self.blobs();
        for file in &manifest.dataset.files {
            if blobs.stored(file).is_some() {
                continue;
            }
            let key = Remote::blob_key(&file.sha256, "");
            if remote.receive(&key, &blobs.path(&file.sha256), file.bytes, Some(&file.sha256))? {
                continue;
            }
            // The digest of an encrypted blob is checked whenever it is decrypted.
            let key = Remote::blob_key(&file.sha256, SEALED);
            if !remote.receive(
                &key,
                &blobs.sealed(&file.sha256),
                super::remote::sealed_bytes(file.bytes),
                None,
            )? {
                let why = format!("`{}` of {} is missing in the store", file.name, manifest.label());
                return Err(Error::Damaged { path: remote.address(&key), why });
            }
        }
        Ok(())
    }

    /// Uploads the blobs of a version, then claims the next number with its manifest: that after its parent, if
    /// `only_next` is `true`.
    ///
    /// # Errors
    /// [`Error::Superseded`] if another process has that number; [`Error::Source`].
    pub(super) fn publish_to(
        &self,
        remote: &Remote,
        manifest: &mut DatasetManifest,
        only_next: bool,
    ) -> Result<(), Error> {
        for file in &manifest.dataset.files {
            let (path, is_sealed) = match self.blobs().stored(file) {
                Some(stored) => stored,
                // Returns the reason as an error.
                None => (self.blobs().checked(file)?.path, false),
            };
            let suffix = if is_sealed { SEALED } else { "" };
            remote.send(&Remote::blob_key(&file.sha256, suffix), &path)?;
        }
        // The bytes of a claim have to differ from those of every other writer.
        manifest.created = format!("{:.9}", jiff::Timestamp::now());
        let newest = self.newest_now(remote, &manifest.name)?;
        if only_next && newest != manifest.parent {
            return Err(Error::Superseded { name: manifest.name.clone() });
        }
        manifest.version = newest.map_or(1, |newest| newest + 1);
        if !only_next {
            self.inherit(manifest)?;
        }
        loop {
            let key = format!("data/{}/{}/manifest.json", manifest.name, manifest.version);
            let bytes = serde_json::to_vec_pretty(manifest)
                .map_err(|error| Error::Damaged { path: remote.address(&key), why: error.to_string() })?;
            if remote.claim(&key, &bytes)? {
                remote.forget_listings();
                let folder = self.folder(&manifest.name, manifest.version);
                return match write_folder(&folder, &[("manifest.json", &bytes)]) {
                    // Another process of this machine has listed it meanwhile.
                    Err(_) if folder.join("manifest.json").is_file() => Ok(()),
                    done => Ok(done?),
                };
            }
            if only_next {
                return Err(Error::Superseded { name: manifest.name.clone() });
            }
            manifest.version += 1;
            self.newest_now(remote, &manifest.name)?;
            self.inherit(manifest)?;
            if manifest.version > VERSION_LIMIT {
                return Err(cupola_store::Error::VersionLimit { path: remote.address(&key) }.into());
            }
        }
    }

    /// Newest version in the store at this moment.
    fn newest_now(&self, remote: &Remote, name: &str) -> Result<Option<u64>, Error> {
        remote.forget_listings();
        self.refresh(Some(name))?;
        Ok(self.stored_versions(name)?.last().copied())
    }

    /// Adds the pushed objects that the version before has taken, so that none is taken again after a version without
    /// them.
    fn inherit(&self, manifest: &mut DatasetManifest) -> Result<(), Error> {
        let before = manifest.version - 1;
        if !self.stored_versions(&manifest.name)?.contains(&before) {
            return Ok(());
        }
        let mut taken = self.manifest(&manifest.name, Some(before))?.taken;
        taken.retain(|id| !manifest.taken.contains(id));
        manifest.taken.splice(..0, taken);
        Ok(())
    }
}
