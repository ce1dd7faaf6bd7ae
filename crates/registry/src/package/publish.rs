//! Publication of packages in a folder or an object store.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use cupola_store::{Name, Remote, StagedFolder, VERSION_LIMIT, next_version, read_json, sha256_hex, to_json};

use super::{Manifest, Package, PackageContents};
use crate::alias::{AliasState, lock};
use crate::error::Error;
use crate::home::{Home, MANIFEST, now, precise_now};

/// Publishes a package: staged, synced and verified, then renamed to the next version under the model's
/// lock; then the alias `latest` moves to it, unless it is to be kept. Processes that publish at the same time get different
/// versions. A process that is killed in between leaves `latest` at the version before.
///
/// In an object store the files are uploaded first. The manifest claims the next version: it is created only if no other
/// writer has that number, and makes the version visible. `latest` never moves back, since a later version may be there by
/// then.
///
/// # Errors
/// [`Error::Store`]; no new version is then visible.
pub fn publish(home: &Home, contents: &PackageContents<'_>) -> Result<Package, Error> {
    let name = Name::new(contents.name)?;
    let folder = home.models().join(name.as_str());
    // A link would take the package to a place that nobody lists.
    if fs::symlink_metadata(&folder).is_ok_and(|entry| !entry.is_dir()) {
        return Err(cupola_store::Error::NotAFolder { path: folder }.into());
    }
    let staged = StagedFolder::new(&folder.join("next"))?;
    let mut files = BTreeMap::new();
    for (name, bytes) in contents.files {
        staged.write(name, bytes)?;
        files.insert((*name).to_owned(), sha256_hex(bytes));
    }
    let manifest = Manifest {
        format_version: Package::FORMAT_VERSION,
        name: name.to_string(),
        version: 1,
        // The bytes of a claim have to differ from those of every other writer.
        created: if home.remote().is_some() { precise_now() } else { now() },
        files,
        signature: contents.signature.clone(),
        lineage: contents.lineage.clone(),
        metrics: contents.metrics.clone(),
    };
    // Large files are written and read back before the lock is taken, so that nobody waits for them.
    let package = StagedPackage { folder, staged, manifest };
    package.write()?;
    Package::open(package.staged.path())?.verify()?;
    let path = match home.remote() {
        Some(remote) => package.publish_to(remote, home, contents.keep_latest)?,
        None => package.publish_in(home, contents.keep_latest)?,
    };
    Package::open(&path)
}

/// Package whose version is not decided yet.
struct StagedPackage {
    /// Folder of the model.
    folder: PathBuf,
    staged: StagedFolder,
    manifest: Manifest,
}

impl StagedPackage {
    fn write(&self) -> Result<(), Error> {
        Ok(self.staged.write(MANIFEST, &self.bytes()?)?)
    }

    fn bytes(&self) -> Result<Vec<u8>, Error> {
        Ok(to_json(&self.folder.join(MANIFEST), &self.manifest)?)
    }

    /// Publishes in a folder. Returns the path of the version.
    fn publish_in(mut self, home: &Home, keep_latest: bool) -> Result<PathBuf, Error> {
        let name = self.manifest.name.clone();
        let _lock = lock(home, &name)?;
        self.manifest.version = next_version(&self.folder, newest(home, &name)?)?;
        self.write()?;
        let version = self.manifest.version;
        let path = self.folder.join(version.to_string());
        // Damaged aliases are reported before the version appears.
        AliasState::load(home, &name)?;
        self.staged.commit_as(&path)?;
        if !keep_latest {
            AliasState::update_locked(home, &name, |state| {
                state.change("latest", version, false);
                Ok(())
            })?;
        }
        Ok(path)
    }

    /// Publishes in an object store, then moves the files to the cache. Returns their path there.
    fn publish_to(mut self, remote: &Remote, home: &Home, keep_latest: bool) -> Result<PathBuf, Error> {
        let name = self.manifest.name.clone();
        for (file, sha256) in &self.manifest.files {
            remote.send(&Remote::blob_key(sha256, ""), &self.staged.path().join(file))?;
        }
        remote.forget_listings();
        home.refresh_model(&name)?;
        let version = home.versions(&name)?.last().map_or(1, |newest| newest + 1);
        self.manifest.version = version;
        while !remote.claim(&format!("models/{name}/{}/{MANIFEST}", self.manifest.version), &self.bytes()?)? {
            self.manifest.version += 1;
            if self.manifest.version > VERSION_LIMIT {
                return Err(cupola_store::Error::VersionLimit { path: self.folder }.into());
            }
        }
        self.write()?;
        let version = self.manifest.version;
        let path = self.folder.join(version.to_string());
        if let Err(error) = self.staged.commit_as(&path) {
            // Another process of this machine may have listed the version meanwhile, which has no files then.
            if !path.join(MANIFEST).is_file() {
                return Err(error.into());
            }
            home.fetch_version(&name, version)?;
        }
        remote.forget_listings();
        if !keep_latest {
            AliasState::update(home, &name, |state| {
                if state.aliases.get("latest").is_none_or(|latest| *latest < version) {
                    state.change("latest", version, false);
                }
                Ok(())
            })?;
        }
        Ok(path)
    }
}

/// Newest version whose manifest says so: a folder that was copied to another number must not use up the
/// numbers before it.
fn newest(home: &Home, name: &str) -> Result<Option<u64>, Error> {
    let folder = home.models().join(name);
    let mut versions = home.versions(name)?.into_iter().rev();
    Ok(versions.find(|version| {
        let manifest = read_json::<Manifest>(&folder.join(version.to_string()).join(MANIFEST));
        manifest.is_ok_and(|manifest| manifest.version == *version)
    }))
}

/// Newest package of a model that a run has published: a run that is resumed after it was killed between
/// its package and its record finds it.
///
/// # Errors
/// [`Error::Store`].
pub fn published_by(home: &Home, name: &str, run: &str) -> Result<Option<Package>, Error> {
    home.refresh_model(name)?;
    for version in home.versions(name)?.into_iter().rev() {
        let path = home.models().join(name).join(version.to_string());
        let Ok(package) = Package::open(&path) else { continue };
        if package.manifest.lineage.run == run && package.manifest.version == version {
            home.fetch_version(name, version)?;
            return Ok(Some(package));
        }
    }
    Ok(None)
}
