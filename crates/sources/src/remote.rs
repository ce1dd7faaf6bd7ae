//! Folder or object store that datasets are pushed to and pulled from.

use std::path::Path as FilePath;
use std::sync::Arc;

use futures::StreamExt;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, PutPayload, WriteMultipart};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use url::Url;

use crate::error::Error;
use crate::error::io_error;
use crate::fetch::{StoreKind, bucket, innermost_cause};
use crate::progress::ProgressSink;

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
    kind: StoreKind,
}

impl RemoteStore {
    /// Opens a folder, which is created, or an `s3://`, `gs://` or `az://` URL. `shown` is `text` without secrets, for messages.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`].
    pub fn open(shown: &str, text: &str) -> Result<Self, Error> {
        let wrong = |why: String| Error::Remote { location: shown.to_owned(), why };
        if !text.contains("://") {
            std::fs::create_dir_all(text).map_err(io_error(FilePath::new(text)))?;
            let store = LocalFileSystem::new_with_prefix(text).map_err(|error| wrong(error.to_string()))?;
            return Ok(Self {
                store: Arc::new(store),
                prefix: Path::default(),
                shown: shown.to_owned(),
                kind: StoreKind::Folder,
            });
        }
        let url = Url::parse(text).map_err(|error| wrong(format!("{error}; check the URL")))?;
        let kind = StoreKind::of(url.scheme()).ok_or_else(|| {
            wrong(format!(
                "unsupported scheme `{}://`; expected a folder, s3://, gs:// or az://",
                url.scheme()
            ))
        })?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(error.to_string()))?;
        Ok(Self { store: bucket(shown, &url)?, prefix, shown: shown.to_owned(), kind })
    }

    /// Path of an object below the prefix.
    pub fn path(&self, parts: &[&str]) -> Path {
        parts.iter().fold(self.prefix.clone(), |path, part| path.join(*part))
    }

    /// Error of this store.
    pub fn error(&self, why: impl Into<String>) -> Error {
        Error::Remote { location: self.shown.clone(), why: why.into() }
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

    /// Downloads an object to `path`.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`].
    pub async fn get_file(
        &self,
        from: &Path,
        path: &FilePath,
        progress: &dyn ProgressSink,
    ) -> Result<(), Error> {
        let response = self.store.get(from).await.map_err(|error| self.failure(&error))?;
        let mut body = response.into_stream();
        let mut file = tokio::fs::File::create(path).await.map_err(io_error(path))?;
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| self.failure(&error))?;
            file.write_all(&chunk).await.map_err(io_error(path))?;
            progress.advance(chunk.len() as u64);
        }
        file.flush().await.map_err(io_error(path))
    }
}
