//! A home in an object store: listings and packages are copied to the folder of the home, its cache, when they are asked
//! for. If the store fails, the cache answers.

mod runs;

use std::fs;
use std::path::Path;

use cupola_spec::is_name;
use cupola_store::{JSON_LIMIT, Remote, StagedFolder, version_number};

use crate::alias::AliasState;
use crate::error::{Error, io};
use crate::home::{Home, MANIFEST};
use crate::package::{FILE_LIMIT, Package};

/// Signature beside a manifest.
const SIGNATURE: &str = "manifest.json.minisig";

impl Home {
    /// Copies the manifests and aliases of all models that the cache lacks.
    pub(crate) fn refresh_models(&self) -> Result<(), Error> {
        self.refresh("models/")
    }

    /// Copies the manifests of a model that the cache lacks.
    pub(crate) fn refresh_model(&self, name: &str) -> Result<(), Error> {
        if is_name(name) { self.refresh(&format!("models/{name}/")) } else { Ok(()) }
    }

    fn refresh(&self, prefix: &str) -> Result<(), Error> {
        let Some(remote) = self.remote() else { return Ok(()) };
        let Some(found) = remote.listing(prefix) else { return Ok(()) };
        let mut pointers = Vec::new();
        let mut versions = Vec::new();
        for object in found {
            match object.key.split('/').collect::<Vec<_>>().as_slice() {
                ["models", name, version, MANIFEST] if is_name(name) => {
                    versions.extend(version_number(version).map(|version| ((*name).to_owned(), version)));
                }
                ["models", name, _] if is_name(name) && object.key == AliasState::key(name) => {
                    pointers.push(object.key);
                }
                _ => {}
            }
        }
        versions.retain(|(name, version)| !self.manifest(name, *version).is_file());
        let keys: Vec<String> =
            versions.iter().map(|(name, version)| format!("models/{name}/{version}/{MANIFEST}")).collect();
        remote.read_all(&keys, |key, bytes| self.add_manifest(key, &bytes))?;
        remote.read_all(&pointers, |key, bytes| {
            let name = key.split('/').nth(1).unwrap_or_default();
            // A damaged object must not hide the others; whoever asks for this model gets the error.
            let _ = AliasState::cache(self, name, &bytes);
            Ok(())
        })
    }

    fn manifest(&self, name: &str, version: u64) -> std::path::PathBuf {
        self.models().join(name).join(version.to_string()).join(MANIFEST)
    }

    /// Makes a version appear in the cache with its manifest alone.
    fn add_manifest(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.root().join(key);
        let folder = path.parent().unwrap_or(&path);
        let staged = StagedFolder::new(folder)?;
        staged.write(MANIFEST, bytes)?;
        match staged.commit() {
            // Another process was faster.
            Err(_) if path.is_file() => Ok(()),
            done => Ok(done?),
        }
    }

    /// Downloads the files of a version that the cache lacks, each with its digest. Does nothing for a version that the
    /// store does not have.
    ///
    /// # Errors
    /// [`Error::Store`], also for a store that fails while a file is missing.
    pub(crate) fn fetch_version(&self, name: &str, version: u64) -> Result<(), Error> {
        let Some(remote) = self.remote() else { return Ok(()) };
        let manifest = self.manifest(name, version);
        if !manifest.is_file() {
            let key = format!("models/{name}/{version}/{MANIFEST}");
            let Some((_, bytes)) = remote.document(&key, JSON_LIMIT)? else { return Ok(()) };
            self.add_manifest(&key, &bytes)?;
        }
        let folder = manifest.parent().unwrap_or(&manifest);
        let package = Package::open(folder)?;
        let missing: Vec<_> =
            package.manifest.files.iter().filter(|(file, _)| !folder.join(file).exists()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        // Beside the version, so that a killed download leaves nothing in a signed package.
        let staged = StagedFolder::scratch(&self.models().join(name))?;
        for (file, sha256) in missing {
            let target = staged.path().join(file);
            let key = Remote::blob_key(sha256, "");
            if !remote.receive(&key, &target, FILE_LIMIT, Some(sha256))? {
                let path = remote.address(&key);
                let reason = format!("`{file}` of {} is missing in the store", package.label());
                return Err(cupola_store::Error::Damaged { path, reason }.into());
            }
            move_file(&target, &folder.join(file))?;
        }
        let key = format!("models/{name}/{version}/{SIGNATURE}");
        let signature = staged.path().join(SIGNATURE);
        if remote.receive(&key, &signature, JSON_LIMIT, None)? {
            move_file(&signature, &folder.join(SIGNATURE))?;
        }
        Ok(())
    }
}

fn move_file(from: &Path, to: &Path) -> Result<(), Error> {
    fs::rename(from, to).map_err(io(to))
}
