//! Folder or object store that datasets are pushed to and pulled from.

mod client;

use std::path::Path as FilePath;
use std::sync::Arc;

use futures::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

pub use client::HomeClient;

use crate::error::Error;
use crate::error::io_error;
use crate::fetch::{StoreKind, bucket, innermost_cause};
use crate::progress::ProgressSink;
use crate::secret::{FilledText, Secrets};

/// Largest file that is sent in one request: 16 MiB.
const ONE_REQUEST: u64 = 16 << 20;
/// Bytes of one part of a larger file: 8 MiB.
const PART_BYTES: usize = 8 << 20;

/// Object store and a prefix in it.
#[derive(Debug)]
pub struct RemoteStore {
    /// Store that holds the objects.
    pub store: Arc<dyn ObjectStore>,
    prefix: Path,
    shown: String,
    secrets: Secrets,
    kind: StoreKind,
}

impl RemoteStore {
    /// Opens a folder or an `s3://`, `gs://` or `az://` URL. A missing folder is created if `create` is `true`.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Missing`].
    pub fn open(address: &FilledText, create: bool) -> Result<Self, Error> {
        let (shown, text) = (address.shown().to_owned(), address.text());
        let secrets = address.secrets().clone();
        let wrong = |why: String| Error::Remote { location: shown.clone(), why: secrets.hide(&why) };
        if !text.contains("://") {
            if create {
                std::fs::create_dir_all(text).map_err(|error| wrong(format!("{error}; check the folder")))?;
            } else if !FilePath::new(text).is_dir() {
                return Err(wrong("there is no such folder; check the path".to_owned()));
            }
            let store = LocalFileSystem::new_with_prefix(text).map_err(|error| wrong(error.to_string()))?;
            let (store, prefix) = (Arc::new(store), Path::default());
            return Ok(Self { store, prefix, shown, secrets, kind: StoreKind::Folder });
        }
        let url = Url::parse(text).map_err(|error| wrong(format!("{error}; check the URL")))?;
        let kind = StoreKind::of(url.scheme()).ok_or_else(|| {
            wrong(format!(
                "unsupported scheme `{}://`; expected a folder, s3://, gs:// or az://",
                url.scheme()
            ))
        })?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(error.to_string()))?;
        let store = bucket(&shown, &url).map_err(|error| secrets.hide_in(error))?;
        Ok(Self { store, prefix, shown, secrets, kind })
    }

    /// Path of an object below the prefix.
    pub fn path(&self, parts: &[&str]) -> Path {
        parts.iter().fold(self.prefix.clone(), |path, part| path.join(*part))
    }

    /// Error of this store.
    pub fn error(&self, why: impl Into<String>) -> Error {
        Error::Remote { location: self.shown.clone(), why: self.secrets.hide(&why.into()) }
    }

    /// Error of a failed operation, with a remedy.
    pub fn failure(&self, error: &object_store::Error) -> Error {
        self.error(innermost_cause(self.kind, error))
    }

    /// Uploads a file of `bytes` bytes, in parts if it is large.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`].
    pub async fn put_file(
        &self,
        path: &FilePath,
        to: &Path,
        bytes: u64,
        progress: &dyn ProgressSink,
    ) -> Result<(), Error> {
        if bytes <= ONE_REQUEST {
            let contents = tokio::fs::read(path).await.map_err(io_error(path))?;
            self.store.put(to, PutPayload::from(contents)).await.map_err(|error| self.failure(&error))?;
            progress.advance(bytes);
            return Ok(());
        }
        let mut file = tokio::fs::File::open(path).await.map_err(io_error(path))?;
        let upload = self.store.put_multipart(to).await.map_err(|error| self.failure(&error))?;
        let mut writer = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let mut buffer = vec![0; 1 << 20];
        loop {
            let n = file.read(&mut buffer).await.map_err(io_error(path))?;
            if n == 0 {
                break;
            }
            writer.wait_for_capacity(4).await.map_err(|error| self.failure(&error))?;
            writer.write(&buffer[..n]);
            progress.advance(n as u64);
        }
        writer.finish().await.map_err(|error| self.failure(&error))?;
        Ok(())
    }

    /// Downloads an object of at most `limit` bytes to `path`, which replaces a file there.
    ///
    /// # Errors
    /// [`Error::Remote`], also for a larger object; [`Error::Io`].
    pub async fn get_file(
        &self,
        from: &Path,
        path: &FilePath,
        limit: u64,
        progress: &dyn ProgressSink,
    ) -> Result<(), Error> {
        let response = self.store.get(from).await.map_err(|error| self.failure(&error))?;
        let mut body = response.into_stream();
        let mut file = tokio::fs::File::create(path).await.map_err(io_error(path))?;
        let mut bytes = 0_u64;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| self.failure(&error))?;
            bytes = bytes.saturating_add(chunk.len() as u64);
            if bytes > limit {
                return Err(self.too_large(from, limit));
            }
            file.write_all(&chunk).await.map_err(io_error(path))?;
            progress.advance(chunk.len() as u64);
        }
        file.flush().await.map_err(io_error(path))
    }

    /// Reads an object of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Error::Remote`], also for a larger object.
    pub async fn get_small(&self, from: &Path, limit: u64) -> Result<Vec<u8>, Error> {
        let response = self.store.get(from).await.map_err(|error| self.failure(&error))?;
        let (mut body, mut bytes) = (response.into_stream(), Vec::new());
        while let Some(chunk) = body.next().await {
            bytes.extend_from_slice(&chunk.map_err(|error| self.failure(&error))?);
            if bytes.len() as u64 > limit {
                return Err(self.too_large(from, limit));
            }
        }
        Ok(bytes)
    }

    fn too_large(&self, object: &Path, limit: u64) -> Error {
        self.error(format!("{object} is larger than the {limit} bytes that it should have; check the remote"))
    }
}
