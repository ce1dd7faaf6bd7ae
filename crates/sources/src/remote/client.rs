//! Blocking client of an object store for homes.

use std::future::Future;
use std::path::Path as FilePath;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime};

use cupola_store::{Error, Fetched, ObjectClient, ObjectInfo, PutCondition};
use futures::{StreamExt, TryStreamExt};
use object_store::path::Path;
use object_store::{
    Error as StoreError, GetOptions, GetRange, ObjectStore, ObjectStoreExt, PutMode, PutOptions, PutPayload,
    UpdateVersion,
};
use tokio::io::AsyncWriteExt;
use tokio::runtime::Runtime;
use url::Url;

use super::RemoteStore;
use crate::fetch::{StoreKind, StoreRefusal, bucket_of_home, innermost_cause};
use crate::progress::NoProgress;
use crate::runtime::io_runtime;
use crate::secret::Secrets;

/// Time for an operation on a small object, with its retries.
const SMALL_DEADLINE: Duration = Duration::from_secs(20);
/// Slowest transfer of a large object that is waited for, in bytes per second.
const BYTES_PER_SECOND: u64 = 64 << 10;
/// Bytes of one range request: 16 MiB.
const RANGE: u64 = 16 << 20;
/// Separator of an entity tag and the version of an object in a tag of [`ObjectClient`].
const SEPARATOR: char = '\n';

/// Client of Amazon S3 and compatible stores, Google Cloud Storage and Azure. Requests run on threads of their own, so that
/// callers may be anywhere, and every operation has a deadline.
#[derive(Debug, Clone)]
pub struct HomeClient {
    remote: Arc<RemoteStore>,
}

impl HomeClient {
    /// Opens an `s3://`, `gs://` or `az://` URL. Nothing is requested yet. Credentials come from the environment, as for
    /// sources.
    ///
    /// # Errors
    /// [`crate::Error::Remote`].
    pub fn open(text: &str) -> Result<Self, crate::Error> {
        let wrong = |why: String| crate::Error::Remote { location: text.to_owned(), why };
        let url = Url::parse(text).map_err(|error| wrong(format!("{error}; check --home")))?;
        let kind = StoreKind::of(url.scheme()).ok_or_else(|| {
            let scheme = url.scheme();
            wrong(format!(
                "unsupported scheme `{scheme}://`; expected a folder, s3://, gs://, az:// or file://"
            ))
        })?;
        let prefix = Path::from_url_path(url.path()).map_err(|error| wrong(error.to_string()))?;
        let store = bucket_of_home(text, &url)?;
        Ok(Self::new(store, prefix, text, kind))
    }

    fn new(store: Arc<dyn ObjectStore>, prefix: Path, shown: &str, kind: StoreKind) -> Self {
        let (shown, secrets) = (shown.to_owned(), Secrets::default());
        Self { remote: Arc::new(RemoteStore { store, prefix, shown, secrets, kind }) }
    }

    fn path(&self, key: &str) -> Path {
        self.remote.path(&key.split('/').filter(|part| !part.is_empty()).collect::<Vec<_>>())
    }

    /// Runs a future on the threads of all clients and waits for it.
    fn wait<T, F>(&self, deadline: Duration, future: F) -> Result<T, Error>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        runtime().map_err(|why| self.error(why, false))?.spawn(async move {
            let _ = sender.send(tokio::time::timeout(deadline, future).await);
        });
        match receiver.recv() {
            Ok(Ok(done)) => done.map_err(|error| self.failure(&error)),
            Ok(Err(_)) => {
                let seconds = deadline.as_secs();
                let why = format!("no answer within {seconds} seconds; {}", self.remote.kind.address());
                Err(self.error(why, true))
            }
            Err(_) => Err(self.error("the request was aborted".to_owned(), true)),
        }
    }

    fn error(&self, why: String, transient: bool) -> Error {
        Error::Remote { location: self.remote.shown.clone(), why, transient }
    }

    fn failure(&self, error: &StoreError) -> Error {
        let lasting = matches!(
            error,
            StoreError::PermissionDenied { .. }
                | StoreError::Unauthenticated { .. }
                | StoreError::NotImplemented { .. }
                | StoreError::NotSupported { .. }
                | StoreError::InvalidPath { .. }
        );
        let lasting = StoreRefusal::of(error).map_or(lasting, |refusal| refusal.is_lasting());
        let kind = self.remote.kind;
        let refused = StoreRefusal::of(error).and_then(|refusal| refusal.why(kind));
        let why = match error {
            // Objects may be missing, so this is a write or a listing.
            StoreError::NotFound { .. } => {
                refused.unwrap_or_else(|| format!("no such bucket at this endpoint; {}", kind.address()))
            }
            other => innermost_cause(kind, other),
        };
        self.error(why, !lasting)
    }

    fn too_large(&self, key: &str, limit: u64) -> Error {
        let path = format!("{}/{key}", self.remote.shown.trim_end_matches('/')).into();
        Error::Damaged { path, reason: format!("larger than {limit} bytes") }
    }
}

/// Threads of the requests of all clients. They live as long as the process, since a runtime must not be dropped by a
/// thread of another one.
fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let opened =
        RUNTIME.get_or_init(|| io_runtime("requests to the store").map_err(|error| error.to_string()));
    opened.as_ref().map_err(Clone::clone)
}

/// Deadline for an object of this size.
fn deadline(bytes: u64) -> Duration {
    SMALL_DEADLINE + Duration::from_secs(bytes / BYTES_PER_SECOND)
}

/// Tag of an object: the entity tag, and its version where the store has one, which Google requires.
fn tag(e_tag: Option<String>, version: Option<String>) -> String {
    let e_tag = e_tag.unwrap_or_default();
    version.map_or_else(|| e_tag.clone(), |version| format!("{e_tag}{SEPARATOR}{version}"))
}

fn update(tag: &str) -> UpdateVersion {
    let (e_tag, version) =
        tag.split_once(SEPARATOR).map_or((tag, None), |(tag, version)| (tag, Some(version)));
    UpdateVersion { e_tag: Some(e_tag.to_owned()), version: version.map(str::to_owned) }
}

/// `None` in place of an error about a missing object. A missing bucket is an error.
fn found<T>(result: Result<T, StoreError>) -> Result<Option<T>, StoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if StoreRefusal::of(&error).is_some_and(|refusal| refusal.is_of_bucket()) => Err(error),
        Err(StoreError::NotFound { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads at most `limit` bytes of an object; `Err` inside for a larger one.
async fn read(remote: &RemoteStore, path: &Path, options: GetOptions, limit: u64) -> ReadResult {
    let response = match remote.store.get_opts(path, options).await {
        Err(StoreError::NotModified { .. }) => return Ok(Ok(Fetched::Unchanged)),
        other => match found(other)? {
            Some(response) => response,
            None => return Ok(Ok(Fetched::Missing)),
        },
    };
    let tag = tag(response.meta.e_tag.clone(), response.meta.version.clone());
    let (mut body, mut bytes) = (response.into_stream(), Vec::new());
    while let Some(chunk) = body.next().await {
        bytes.extend_from_slice(&chunk?);
        if bytes.len() as u64 > limit {
            return Ok(Err(()));
        }
    }
    Ok(Ok(Fetched::Object { tag, bytes }))
}

/// Outcome of a read; the inner error is an object over the limit.
type ReadResult = Result<Result<Fetched, ()>, StoreError>;

impl ObjectClient for HomeClient {
    fn get(&self, key: &str, limit: u64, known: Option<&str>) -> Result<Fetched, Error> {
        let (remote, path) = (Arc::clone(&self.remote), self.path(key));
        let known = known.and_then(|tag| update(tag).e_tag).filter(|tag| !tag.is_empty());
        let options = GetOptions { if_none_match: known, ..GetOptions::default() };
        let read = self.wait(SMALL_DEADLINE, async move { read(&remote, &path, options, limit).await })?;
        read.map_err(|()| self.too_large(key, limit))
    }

    fn get_file(&self, key: &str, to: &FilePath, limit: u64) -> Result<bool, Error> {
        let (remote, path) = (Arc::clone(&self.remote), self.path(key));
        let about = {
            let (remote, path) = (Arc::clone(&remote), path.clone());
            self.wait(SMALL_DEADLINE, async move { found(remote.store.head(&path).await) })?
        };
        let Some(about) = about else { return Ok(false) };
        if about.size > limit {
            return Err(self.too_large(key, limit));
        }
        let io = |source| Error::Io { path: to.to_owned(), source };
        let file = std::fs::OpenOptions::new().write(true).truncate(true).open(to).map_err(io)?;
        let mut file = tokio::fs::File::from_std(file);
        let mut start = 0;
        while start < about.size {
            let end = (start + RANGE).min(about.size);
            // Parts of an object that is replaced during the download must not be mixed.
            let options = GetOptions {
                range: Some(GetRange::Bounded(start..end)),
                if_match: about.e_tag.clone(),
                ..GetOptions::default()
            };
            let (remote, path) = (Arc::clone(&remote), path.clone());
            let copied = self.wait(deadline(end - start), async move {
                let bytes = remote.store.get_opts(&path, options).await?.bytes().await?;
                let written = match file.write_all(&bytes).await {
                    Ok(()) => file.flush().await.map(|()| file),
                    Err(error) => Err(error),
                };
                Ok(written)
            })?;
            file = copied.map_err(io)?;
            start = end;
        }
        Ok(true)
    }

    fn put(&self, key: &str, bytes: &[u8], condition: PutCondition<'_>) -> Result<bool, Error> {
        let (remote, path) = (Arc::clone(&self.remote), self.path(key));
        let (payload, limit) = (PutPayload::from(bytes.to_vec()), deadline(bytes.len() as u64));
        let mode = match condition {
            PutCondition::Always => PutMode::Overwrite,
            PutCondition::Absent => PutMode::Create,
            PutCondition::Tag(tag) => PutMode::Update(update(tag)),
        };
        self.wait(limit, async move {
            match remote.store.put_opts(&path, payload, PutOptions::from(mode)).await {
                Ok(_) => Ok(true),
                Err(
                    StoreError::AlreadyExists { .. }
                    | StoreError::Precondition { .. }
                    | StoreError::NotModified { .. },
                ) => Ok(false),
                Err(error) => Err(error),
            }
        })
    }

    fn put_file(&self, key: &str, from: &FilePath) -> Result<(), Error> {
        let io = |source| Error::Io { path: from.to_owned(), source };
        let bytes = std::fs::metadata(from).map_err(io)?.len();
        let (remote, path, from) = (Arc::clone(&self.remote), self.path(key), from.to_owned());
        let sent = self.wait(deadline(bytes), async move {
            Ok(remote.put_file(&from, &path, bytes, &NoProgress).await)
        })?;
        sent.map_err(|error| match error {
            crate::Error::Io { path, source } => Error::Io { path, source },
            crate::Error::Remote { why, .. } => self.error(why, true),
            other => self.error(other.to_string(), false),
        })
    }

    fn length(&self, key: &str) -> Result<Option<u64>, Error> {
        let (remote, path) = (Arc::clone(&self.remote), self.path(key));
        let about = self.wait(SMALL_DEADLINE, async move { found(remote.store.head(&path).await) })?;
        Ok(about.map(|about| about.size))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, Error> {
        let (remote, path, root) = (Arc::clone(&self.remote), self.path(prefix), self.path(""));
        let listed = self.wait(SMALL_DEADLINE * 4, async move {
            remote.store.list(Some(&path)).try_collect::<Vec<_>>().await
        })?;
        let objects = listed.into_iter().filter_map(|about| {
            let key = about.location.prefix_match(&root)?;
            let key = key.map(|part| part.as_ref().to_owned()).collect::<Vec<_>>().join("/");
            Some(ObjectInfo { key, tag: tag(about.e_tag, about.version), bytes: about.size })
        });
        Ok(objects.collect())
    }

    fn modified(&self, key: &str) -> Result<Option<SystemTime>, Error> {
        let (remote, path) = (Arc::clone(&self.remote), self.path(key));
        let about = self.wait(SMALL_DEADLINE, async move { found(remote.store.head(&path).await) })?;
        Ok(about.map(|about| about.last_modified.into()))
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        let (remote, path) = (Arc::clone(&self.remote), self.path(key));
        self.wait(SMALL_DEADLINE, async move { found(remote.store.delete(&path).await) }).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;
    use object_store::throttle::{ThrottleConfig, ThrottledStore};

    use super::*;

    fn client(store: Arc<dyn ObjectStore>) -> HomeClient {
        HomeClient::new(store, Path::from("team/home"), "test://home", StoreKind::Amazon)
    }

    #[test]
    fn conditional_writes_hold_in_memory() {
        let store = Arc::new(InMemory::new());
        let client = client(store.clone());
        assert_eq!(client.get("a/b.json", 10, None).unwrap(), Fetched::Missing);
        assert!(client.put("a/b.json", b"1", PutCondition::Absent).unwrap());
        assert!(!client.put("a/b.json", b"2", PutCondition::Absent).unwrap());
        let Fetched::Object { tag, bytes } = client.get("a/b.json", 10, None).unwrap() else { panic!() };
        assert_eq!(bytes, b"1");
        assert_eq!(client.get("a/b.json", 10, Some(&tag)).unwrap(), Fetched::Unchanged);
        assert!(client.put("a/b.json", b"3", PutCondition::Tag(&tag)).unwrap());
        assert!(!client.put("a/b.json", b"4", PutCondition::Tag(&tag)).unwrap());
        assert!(matches!(client.get("a/b.json", 0, None), Err(Error::Damaged { .. })));
        let listed = client.list("a/").unwrap();
        assert_eq!(listed.iter().map(|object| object.key.as_str()).collect::<Vec<_>>(), ["a/b.json"]);
        assert_eq!((client.length("a/b.json").unwrap(), client.length("a/c").unwrap()), (Some(1), None));
        let age = client.modified("a/b.json").unwrap().unwrap().elapsed().unwrap();
        assert!(age < Duration::from_mins(1) && client.modified("a/c").unwrap().is_none());
        let inside = runtime().unwrap().block_on(store.head(&Path::from("team/home/a/b.json")));
        assert_eq!(inside.unwrap().size, 1);
        client.delete("a/b.json").unwrap();
        client.delete("a/b.json").unwrap();
        assert_eq!(client.length("a/b.json").unwrap(), None);
    }

    #[test]
    fn a_file_of_several_ranges_arrives_whole() {
        let folder = cupola_testkit::temporary();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let bytes: Vec<u8> = (0..=250).cycle().take((32 << 20) + 17).collect();
        std::fs::write(&from, &bytes).unwrap();
        std::fs::write(&to, b"something longer than nothing").unwrap();
        let client = client(Arc::new(InMemory::new()));
        client.put_file("blobs/aa/bb", &from).unwrap();
        assert!(client.get_file("blobs/aa/bb", &to, u64::MAX).unwrap());
        assert!(std::fs::read(&to).unwrap() == bytes);
        assert!(matches!(client.get_file("blobs/aa/bb", &to, 5), Err(Error::Damaged { .. })));
        assert!(!client.get_file("blobs/no", &to, 5).unwrap());
    }

    #[test]
    fn a_slow_store_ends_with_a_clear_error_also_within_a_runtime() {
        let config =
            ThrottleConfig { wait_get_per_call: Duration::from_mins(1), ..ThrottleConfig::default() };
        let client = client(Arc::new(ThrottledStore::new(InMemory::new(), config)));
        let outer = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let path = client.path("a");
        let remote = Arc::clone(&client.remote);
        let wait =
            || client.wait(Duration::from_millis(50), async move { remote.store.get(&path).await.map(drop) });
        let error = outer.block_on(async { wait() }).unwrap_err();
        assert!(error.is_transient());
        assert!(error.to_string().starts_with("test://home: no answer within 0 seconds"), "{error}");
    }
}
