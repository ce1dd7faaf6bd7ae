//! Versions on a remote: a folder or an S3-compatible store, with the blobs under `blobs/`.

use std::path::PathBuf;

use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};

use super::{Datasets, Manifest, checked};
use crate::collect::{Remote, remote, said};
use crate::error::Error;
use crate::read::runtime;
use crate::secret::filled;
use crate::version::FileVersion;
use crate::watch::{Unit, Watch};

/// Blobs that travel at once.
const AT_ONCE: usize = 8;
/// Up to so many bytes a blob is sent in one request.
const ONE_REQUEST: u64 = 16 << 20;

impl Datasets {
    /// Copies a version to a remote: blobs that are not there yet, then the manifest. Returns how many
    /// blobs were sent.
    ///
    /// # Errors
    /// [`Error::Remote`]; the version is then not visible there.
    pub fn push(
        &self,
        manifest: &Manifest,
        to: &str,
        roots: &[PathBuf],
        watch: &dyn Watch,
    ) -> Result<usize, Error> {
        let remote = remote(to, &filled(to, roots)?)?;
        let runtime = runtime(to)?;
        let bytes = manifest.dataset.files.iter().map(|file| file.bytes).sum();
        watch.begin(&format!("pushing {}", manifest.label()), Unit::Bytes, Some(bytes));
        let sent = runtime.block_on(async {
            let each =
                futures::stream::iter(&manifest.dataset.files).map(|file| self.send(&remote, file, watch));
            let sent: Vec<bool> = each.buffer_unordered(AT_ONCE).try_collect().await?;
            let bytes =
                serde_json::to_vec_pretty(manifest).map_err(|error| wrong(&remote, error.to_string()))?;
            let at = place(&remote, &[&manifest.name, &manifest.version.to_string(), "manifest.json"]);
            remote
                .store
                .put(&at, PutPayload::from(bytes))
                .await
                .map_err(|error| wrong(&remote, said(&error)))?;
            Ok(sent.into_iter().filter(|sent| *sent).count())
        });
        watch.end();
        sent
    }

    async fn send(&self, remote: &Remote, file: &FileVersion, watch: &dyn Watch) -> Result<bool, Error> {
        let (path, sealed) = match self.blobs().stored(file) {
            Some(stored) => stored,
            // Says what is wrong with it.
            None => (self.blobs().checked(file)?.path, false),
        };
        // An encrypted blob is sent as it is.
        let at = if sealed { sealed_blob(remote, &file.sha256) } else { blob(remote, &file.sha256) };
        let bytes = std::fs::metadata(&path).map_or(file.bytes, |about| about.len());
        let there = remote.store.head(&at).await;
        if there.is_ok_and(|about| sealed || about.size == bytes) {
            watch.advance(file.bytes);
            return Ok(false);
        }
        put_file(remote, &path, &at, bytes, watch).await?;
        Ok(true)
    }

    /// Copies a version from a remote; the newest one where none is named. It becomes the next version
    /// here, unless one with the same digest is here.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Damaged`]; the version is then not visible here.
    pub fn fetch(
        &self,
        name: &str,
        version: Option<u64>,
        from: &str,
        roots: &[PathBuf],
        watch: &dyn Watch,
    ) -> Result<Manifest, Error> {
        checked(name)?;
        let remote = remote(from, &filled(from, roots)?)?;
        let runtime = runtime(from)?;
        let mut manifest = runtime.block_on(async {
            let version = match version {
                Some(version) => version,
                None => newest(&remote, name).await?,
            };
            let at = place(&remote, &[name, &version.to_string(), "manifest.json"]);
            let got = remote.store.get(&at).await.map_err(|error| wrong(&remote, said(&error)))?;
            let bytes = got.bytes().await.map_err(|error| wrong(&remote, said(&error)))?;
            serde_json::from_slice::<Manifest>(&bytes)
                .map_err(|error| wrong(&remote, format!("manifest.json: {error}")))
        })?;
        for known in self.versions(name) {
            let known = self.manifest(name, Some(known))?;
            if known.dataset.sha256 == manifest.dataset.sha256 {
                return Ok(known);
            }
        }
        let bytes = manifest.dataset.files.iter().map(|file| file.bytes).sum();
        watch.begin(&format!("pulling {}", manifest.label()), Unit::Bytes, Some(bytes));
        let got = runtime.block_on(async {
            let each =
                futures::stream::iter(&manifest.dataset.files).map(|file| self.receive(&remote, file, watch));
            each.buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await
        });
        watch.end();
        got?;
        name.clone_into(&mut manifest.name);
        self.publish(&mut manifest)?;
        Ok(manifest)
    }

    async fn receive(&self, remote: &Remote, file: &FileVersion, watch: &dyn Watch) -> Result<(), Error> {
        if self.blobs().stored(file).is_some() {
            watch.advance(file.bytes);
            return Ok(());
        }
        let folder = self.root();
        let io = |source| Error::Io { path: folder.clone(), source };
        std::fs::create_dir_all(&folder).map_err(io)?;
        let staged = tempfile::NamedTempFile::new_in(&folder).map_err(io)?;
        if let Err(error) = get_file(remote, &blob(remote, &file.sha256), staged.path(), watch).await {
            let sealed = sealed_blob(remote, &file.sha256);
            if remote.store.head(&sealed).await.is_err() {
                return Err(error);
            }
            get_file(remote, &sealed, staged.path(), watch).await?;
            return self.blobs().add_sealed(staged, file);
        }
        // Its digest is compared on the way in.
        self.blobs().add(staged.path(), file, &crate::watch::Unwatched)
    }
}

/// Sends a file, in parts if it is large.
pub(super) async fn put_file(
    remote: &Remote,
    path: &std::path::Path,
    at: &Path,
    bytes: u64,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let failed = |error: object_store::Error| wrong(remote, said(&error));
    if bytes <= ONE_REQUEST {
        let contents = tokio::fs::read(path).await.map_err(io)?;
        remote.store.put(at, PutPayload::from(contents)).await.map_err(failed)?;
        watch.advance(bytes);
        return Ok(());
    }
    let mut file = tokio::fs::File::open(path).await.map_err(io)?;
    let mut writer =
        WriteMultipart::new_with_chunk_size(remote.store.put_multipart(at).await.map_err(failed)?, 8 << 20);
    let mut buffer = vec![0; 1 << 20];
    loop {
        let n = tokio::io::AsyncReadExt::read(&mut file, &mut buffer).await.map_err(io)?;
        if n == 0 {
            break;
        }
        writer.wait_for_capacity(4).await.map_err(failed)?;
        writer.write(&buffer[..n]);
        watch.advance(n as u64);
    }
    writer.finish().await.map_err(failed)?;
    Ok(())
}

/// Receives a file.
pub(super) async fn get_file(
    remote: &Remote,
    at: &Path,
    path: &std::path::Path,
    watch: &dyn Watch,
) -> Result<(), Error> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let got = remote.store.get(at).await.map_err(|error| wrong(remote, said(&error)))?;
    let mut body = got.into_stream();
    let mut file = tokio::fs::File::create(path).await.map_err(io)?;
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| wrong(remote, said(&error)))?;
        tokio::io::AsyncWriteExt::write_all(&mut file, &chunk).await.map_err(io)?;
        watch.advance(chunk.len() as u64);
    }
    tokio::io::AsyncWriteExt::flush(&mut file).await.map_err(io)
}

async fn newest(remote: &Remote, name: &str) -> Result<u64, Error> {
    let listed = remote.store.list_with_delimiter(Some(&place(remote, &[name]))).await;
    let listed = listed.map_err(|error| wrong(remote, said(&error)))?;
    let versions = listed.common_prefixes.iter().filter_map(|path| path.filename()?.parse().ok());
    versions.max().ok_or_else(|| wrong(remote, format!("there is no dataset {name}; check the name")))
}

fn blob(remote: &Remote, sha256: &str) -> Path {
    let (first, rest) = sha256.split_at(sha256.len().min(2));
    place(remote, &["blobs", first, rest])
}

fn sealed_blob(remote: &Remote, sha256: &str) -> Path {
    let (first, rest) = sha256.split_at(sha256.len().min(2));
    place(remote, &["blobs", first, &format!("{rest}.age")])
}

pub(super) fn place(remote: &Remote, parts: &[&str]) -> Path {
    parts.iter().fold(remote.prefix.clone(), |path, part| path.join(*part))
}

pub(super) fn wrong(remote: &Remote, why: String) -> Error {
    Error::Remote { place: remote.shown.clone(), why }
}
