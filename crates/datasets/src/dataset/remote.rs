//! Push and fetch of versions: a folder or an S3-compatible store with the blobs in `blobs/`.

use std::path::PathBuf;

use cupola_sources::{
    FileVersion, FilledText, NoProgress, ProgressSink, ProgressUnit, RemoteStore, file_version, io_runtime,
};
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
        let remote = RemoteStore::open(&FilledText::address(to, roots, &self.home)?, true)?;
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
    /// The remote is trusted with the rows only: sources, SQL and folders that it names are left out, and so are
    /// expectations that name a source.
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
        let remote = RemoteStore::open(&FilledText::address(from, roots, &self.home)?, false)?;
        let runtime = io_runtime(from)?;
        let manifest = runtime.block_on(remote_manifest(&remote, name, version))?;
        let mut manifest = manifest.of_remote(name, from);
        let here = self.found_versions(name)?;
        manifest.parent = here.last().copied();
        for known in here {
            let known = self.manifest(name, Some(known))?;
            if known.dataset.sha256 == manifest.dataset.sha256 {
                return Ok(known);
            }
        }
        let files = manifest.dataset.files.iter();
        let bytes = files.fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
        progress.begin(&format!("pulling {}", manifest.label()), ProgressUnit::Bytes, Some(bytes));
        let got = runtime.block_on(async {
            let each = futures::stream::iter(&manifest.dataset.files)
                .map(|file| self.receive(&remote, file, progress));
            each.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await
        });
        progress.end();
        got?;
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
        let at = blob(remote, &file.sha256);
        if let Err(error) = remote.get_file(&at, staged.path(), file.bytes, progress).await {
            let sealed = sealed_blob(remote, &file.sha256);
            if remote.store.head(&sealed).await.is_err() {
                return Err(error.into());
            }
            // The digest of an encrypted blob is checked whenever it is decrypted.
            remote.get_file(&sealed, staged.path(), sealed_bytes(file.bytes), progress).await?;
            return Ok(staged.commit_read_only()?);
        }
        let found = file_version(staged.path(), &NoProgress)?;
        if found.sha256 != file.sha256 || found.bytes != file.bytes {
            let why = format!("{at} does not have the SHA-256 of its name; the remote is damaged or hostile");
            return Err(remote.error(why).into());
        }
        self.blobs().add(staged.path(), file, &NoProgress)
    }
}

/// Largest size of an encrypted blob: a header, and 16 bytes for each 64 KiB.
pub(super) fn sealed_bytes(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 4096).saturating_add(1 << 20)
}

/// Manifest of a version of a remote, the newest one if `version` is `None`, with checked contents.
async fn remote_manifest(
    remote: &RemoteStore,
    name: &str,
    version: Option<u64>,
) -> Result<DatasetManifest, Error> {
    let version = match version {
        Some(version) => version,
        None => newest(remote, name).await?,
    };
    let at = remote.path(&[name, &version.to_string(), "manifest.json"]);
    let bytes = remote.get_small(&at, DatasetManifest::MAX_BYTES).await?;
    let manifest: DatasetManifest =
        serde_json::from_slice(&bytes).map_err(|error| remote.error(format!("{at}: {error}")))?;
    let checked = manifest.check_of_remote();
    checked.map_err(|why| remote.error(format!("{at}: {why}; the remote is damaged or hostile")))?;
    Ok(manifest.masked())
}

async fn newest(remote: &RemoteStore, name: &str) -> Result<u64, Error> {
    let listed = remote.store.list_with_delimiter(Some(&remote.path(&[name]))).await;
    let listed = listed.map_err(|error| remote.failure(&error))?;
    let versions =
        listed.common_prefixes.iter().filter_map(|path| cupola_store::version_number(path.filename()?));
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
