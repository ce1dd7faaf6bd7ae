//! Push and fetch of versions: a folder or an S3-compatible store with the blobs in `blobs/`.

use std::path::PathBuf;

use cupola_sources::{FileVersion, ProgressSink, ProgressUnit, RemoteStore, fill_secrets, io_runtime};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStoreExt, PutPayload};

use super::{DatasetManifest, Datasets, checked};
use crate::error::Error;

/// Number of concurrent transfers.
const AT_ONCE: usize = 8;
impl Datasets {
    /// Copies a version to a remote: missing blobs, then the manifest. Returns the number of blobs sent.
    ///
    /// # Errors
    /// [`Error::Source`]; the version is then not visible there.
    pub fn push(
        &self,
        manifest: &DatasetManifest,
        to: &str,
        roots: &[PathBuf],
        progress: &dyn ProgressSink,
    ) -> Result<usize, Error> {
        let remote = RemoteStore::open(to, &fill_secrets(to, roots, &self.home)?)?;
        let runtime = io_runtime(to)?;
        let bytes = manifest.dataset.files.iter().map(|file| file.bytes).sum();
        progress.begin(&format!("pushing {}", manifest.label()), ProgressUnit::Bytes, Some(bytes));
        let sent = runtime.block_on(async {
            let each =
                futures::stream::iter(&manifest.dataset.files).map(|file| self.send(&remote, file, progress));
            let sent: Vec<bool> = each.buffer_unordered(AT_ONCE).try_collect().await?;
            let bytes =
                serde_json::to_vec_pretty(manifest).map_err(|error| remote.error(error.to_string()))?;
            let at = remote.path(&[&manifest.name, &manifest.version.to_string(), "manifest.json"]);
            remote.store.put(&at, PutPayload::from(bytes)).await.map_err(|error| remote.failure(&error))?;
            Ok(sent.into_iter().filter(|sent| *sent).count())
        });
        progress.end();
        sent
    }

    async fn send(
        &self,
        remote: &RemoteStore,
        file: &FileVersion,
        progress: &dyn ProgressSink,
    ) -> Result<bool, Error> {
        let (path, sealed) = match self.blobs().stored(file) {
            Some(stored) => stored,
            // Returns the reason as an error.
            None => (self.blobs().checked(file)?.path, false),
        };
        // Encrypted blobs are sent encrypted.
        let at = if sealed { sealed_blob(remote, &file.sha256) } else { blob(remote, &file.sha256) };
        let bytes = std::fs::metadata(&path).map_or(file.bytes, |about| about.len());
        let there = remote.store.head(&at).await;
        if there.is_ok_and(|about| sealed || about.size == bytes) {
            progress.advance(file.bytes);
            return Ok(false);
        }
        remote.put_file(&path, &at, bytes, progress).await?;
        Ok(true)
    }

    /// Copies a version from a remote; the newest one if `version` is `None`. It becomes the next local
    /// version, unless a local one has the same digest.
    ///
    /// # Errors
    /// [`Error::Source`], [`Error::Damaged`]; the version is then not visible here.
    pub fn fetch(
        &self,
        name: &str,
        version: Option<u64>,
        from: &str,
        roots: &[PathBuf],
        progress: &dyn ProgressSink,
    ) -> Result<DatasetManifest, Error> {
        checked(name)?;
        let remote = RemoteStore::open(from, &fill_secrets(from, roots, &self.home)?)?;
        let runtime = io_runtime(from)?;
        let mut manifest = runtime.block_on(async {
            let version = match version {
                Some(version) => version,
                None => newest(&remote, name).await?,
            };
            let at = remote.path(&[name, &version.to_string(), "manifest.json"]);
            let got = remote.store.get(&at).await.map_err(|error| remote.failure(&error))?;
            let bytes = got.bytes().await.map_err(|error| remote.failure(&error))?;
            serde_json::from_slice::<DatasetManifest>(&bytes)
                .map_err(|error| remote.error(format!("manifest.json: {error}")))
        })?;
        // Digests become file names, so a hostile manifest must not choose them.
        let is_digest = |text: &str| text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
        if !manifest.dataset.files.iter().all(|file| is_digest(&file.sha256)) {
            return Err(remote.error("manifest.json: invalid SHA-256".to_owned()).into());
        }
        for known in self.versions(name) {
            let known = self.manifest(name, Some(known))?;
            if known.dataset.sha256 == manifest.dataset.sha256 {
                return Ok(known);
            }
        }
        let bytes = manifest.dataset.files.iter().map(|file| file.bytes).sum();
        progress.begin(&format!("pulling {}", manifest.label()), ProgressUnit::Bytes, Some(bytes));
        let got = runtime.block_on(async {
            let each = futures::stream::iter(&manifest.dataset.files)
                .map(|file| self.receive(&remote, file, progress));
            each.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await
        });
        progress.end();
        got?;
        name.clone_into(&mut manifest.name);
        self.publish(&mut manifest)?;
        Ok(manifest)
    }

    async fn receive(
        &self,
        remote: &RemoteStore,
        file: &FileVersion,
        progress: &dyn ProgressSink,
    ) -> Result<(), Error> {
        if self.blobs().stored(file).is_some() {
            progress.advance(file.bytes);
            return Ok(());
        }
        let staged = self.blobs().stage_sealed(file)?;
        if let Err(error) = remote.get_file(&blob(remote, &file.sha256), staged.path(), progress).await {
            let sealed = sealed_blob(remote, &file.sha256);
            if remote.store.head(&sealed).await.is_err() {
                return Err(error.into());
            }
            remote.get_file(&sealed, staged.path(), progress).await?;
            return Ok(staged.commit_read_only()?);
        }
        // Adding a blob checks its digest.
        self.blobs().add(staged.path(), file, &cupola_sources::NoProgress)
    }
}

async fn newest(remote: &RemoteStore, name: &str) -> Result<u64, Error> {
    let listed = remote.store.list_with_delimiter(Some(&remote.path(&[name]))).await;
    let listed = listed.map_err(|error| remote.failure(&error))?;
    let versions = listed.common_prefixes.iter().filter_map(|path| path.filename()?.parse().ok());
    versions.max().ok_or_else(|| remote.error(format!("unknown dataset `{name}`; check the name")).into())
}

fn blob(remote: &RemoteStore, sha256: &str) -> Path {
    let (first, rest) = sha256.split_at(sha256.len().min(2));
    remote.path(&["blobs", first, rest])
}

fn sealed_blob(remote: &RemoteStore, sha256: &str) -> Path {
    let (first, rest) = sha256.split_at(sha256.len().min(2));
    remote.path(&["blobs", first, &format!("{rest}.age")])
}
