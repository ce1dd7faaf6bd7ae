//! Object stores behind a home: the store is the truth, the home folder is its cache.
//!
//! An [`ObjectClient`] has the few blocking operations that a home needs. [`Remote`] adds what makes them safe to use:
//! claims that know their own outcome, files with digests, leases, and listings that fall back to the cache.

mod access;
mod blob;
mod client;
mod folder;
mod lease;
mod mirror;
mod object;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::error::Error;

pub use client::{Fetched, ObjectClient, ObjectInfo, PutCondition};
pub use folder::FolderClient;
pub use lease::Lease;

/// Time after a failure in which reads use the cache without asking the store, so that a server that starts or polls
/// does not wait for each of its requests.
const PAUSE_AFTER_FAILURE: Duration = Duration::from_secs(10);
/// Age up to which a listing is used again.
const LISTING_AGE: Duration = Duration::from_secs(2);
/// Time within which a conditional write has to succeed.
const WRITE_DEADLINE: Duration = Duration::from_secs(90);
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Receiver of warnings, such as that the store cannot be reached.
pub type RemoteWarning = Box<dyn Fn(&str) + Send + Sync>;

/// Object store whose cache is a home folder.
pub struct Remote {
    url: String,
    root: PathBuf,
    client: Arc<dyn ObjectClient>,
    warning: RemoteWarning,
    state: Mutex<RemoteState>,
}

#[derive(Default)]
struct RemoteState {
    /// Time of the last failed read; `None` while the store answers.
    failed: Option<Instant>,
    /// Time of the last failed write of [`Remote::try_create`]; `None` while the store takes them.
    write_failed: Option<Instant>,
    /// Time of the last successful [`Remote::check_writable`].
    checked: Option<Instant>,
    /// Times of the last listings by prefix.
    listed: HashMap<String, Instant>,
    /// Documents by key with their tags.
    documents: HashMap<String, (String, Vec<u8>)>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Remote").field("url", &self.url).field("root", &self.root).finish_non_exhaustive()
    }
}

/// Object stores of this process by their cache folders.
fn attached() -> MutexGuard<'static, BTreeMap<PathBuf, Arc<Remote>>> {
    static ATTACHED: OnceLock<Mutex<BTreeMap<PathBuf, Arc<Remote>>>> = OnceLock::new();
    ATTACHED.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

impl Remote {
    /// Makes `root` the cache of an object store for this process: every home at that folder then has the store.
    pub fn attach(
        root: &Path,
        url: &str,
        client: Arc<dyn ObjectClient>,
        warning: RemoteWarning,
    ) -> Arc<Self> {
        let (url, root) = (url.trim_end_matches('/').to_owned(), root.to_owned());
        let remote = Arc::new(Self { url, root: root.clone(), client, warning, state: Mutex::default() });
        attached().insert(root, Arc::clone(&remote));
        remote
    }

    /// Store whose cache is this folder; `None` for a local home.
    pub fn of(root: &Path) -> Option<Arc<Self>> {
        attached().get(root).cloned()
    }

    /// Store whose cache has this path in it, and the key of the path.
    pub fn containing(path: &Path) -> Option<(Arc<Self>, String)> {
        let remote = path.ancestors().skip(1).find_map(Self::of)?;
        let key = path.strip_prefix(&remote.root).ok()?.to_str()?.to_owned();
        Some((remote, key))
    }

    /// Address of the store, without a final `/`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Folder of the cache.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Address of an object, for messages.
    pub fn address(&self, key: &str) -> PathBuf {
        PathBuf::from(format!("{}/{key}", self.url))
    }

    /// Reports a warning.
    pub fn warn(&self, text: &str) {
        (self.warning)(text);
    }

    fn state(&self) -> MutexGuard<'_, RemoteState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Performs a read. Returns `None` if the store fails, after a warning for the first of several failures: the
    /// caller uses the cache.
    fn try_read<T>(&self, read: impl FnOnce(&dyn ObjectClient) -> Result<T, Error>) -> Option<T> {
        if self.state().failed.is_some_and(|failed| failed.elapsed() < PAUSE_AFTER_FAILURE) {
            return None;
        }
        match read(&*self.client) {
            Ok(found) => {
                if self.state().failed.take().is_some() {
                    self.warn(&format!("{} answers again", self.url));
                }
                Some(found)
            }
            Err(error) => {
                if self.state().failed.replace(Instant::now()).is_none() {
                    self.warn(&format!("using the cache in {}: {error}", self.root.display()));
                }
                None
            }
        }
    }

    /// `true` if the store answers a request.
    pub fn answers(&self) -> bool {
        self.try_read(|client| client.length(access::MARKER)).is_some()
    }

    /// `true` unless the last read failed.
    pub fn is_reachable(&self) -> bool {
        self.state().failed.is_none()
    }

    /// Reads a document that may change, with its tag. A document that is unchanged since the last read is not sent
    /// again. `Ok(None)` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn document(&self, key: &str, limit: u64) -> Result<Option<(String, Vec<u8>)>, Error> {
        self.document_from(&*self.client, key, limit)
    }

    fn document_from(
        &self,
        client: &dyn ObjectClient,
        key: &str,
        limit: u64,
    ) -> Result<Option<(String, Vec<u8>)>, Error> {
        let known = self.state().documents.get(key).cloned();
        let fetched = client.get(key, limit, known.as_ref().map(|(tag, _)| tag.as_str()))?;
        let found = match fetched {
            Fetched::Unchanged => return Ok(known),
            Fetched::Missing => None,
            Fetched::Object { tag, bytes } => Some((tag, bytes)),
        };
        match &found {
            Some(document) => self.state().documents.insert(key.to_owned(), document.clone()),
            None => self.state().documents.remove(key),
        };
        Ok(found)
    }

    /// As [`Self::document`], without the tag. `None` if the store fails: the caller uses the cache.
    pub fn try_document(&self, key: &str, limit: u64) -> Option<Option<Vec<u8>>> {
        let found = self.try_read(|client| self.document_from(client, key, limit))?;
        Some(found.map(|(_, bytes)| bytes))
    }

    /// Creates an object unless it exists. Returns `false` if another writer has it.
    ///
    /// A response may be lost after the store has done what was asked, so an object with these very bytes counts as
    /// written. The bytes must differ from those of every other writer.
    ///
    /// # Errors
    /// [`Error::Remote`] if the store does not answer within the deadline.
    pub fn claim(&self, key: &str, bytes: &[u8]) -> Result<bool, Error> {
        self.until_deadline(|| {
            if self.client.put(key, bytes, PutCondition::Absent)? {
                return Ok(Some(true));
            }
            // A store may answer "conflict" to each of two writers: nobody has the object then.
            match self.client.get(key, bytes.len() as u64 + 1, None) {
                Ok(Fetched::Object { bytes: found, .. }) => Ok(Some(found == bytes)),
                // Larger than these bytes.
                Err(Error::Damaged { .. }) => Ok(Some(false)),
                Ok(Fetched::Missing | Fetched::Unchanged) => Ok(None),
                Err(error) => Err(error),
            }
        })
    }

    /// Replaces a document by `change` of its content, repeated until no other writer was faster. `change` gets the
    /// present bytes and returns the new ones with a result, or `None` instead of bytes to write nothing. `is_done`
    /// tells from the present bytes that an earlier attempt, whose response was lost, was written.
    ///
    /// # Errors
    /// Errors of `change`; [`Error::Remote`] if the store does not answer within the deadline.
    pub fn update<T, E: From<Error>>(
        &self,
        key: &str,
        limit: u64,
        is_done: impl Fn(&[u8]) -> bool,
        change: impl Fn(Option<&[u8]>) -> Result<(Option<Vec<u8>>, T), E>,
    ) -> Result<T, E> {
        self.client.check_place()?;
        let mut attempted: Option<T> = None;
        let mut refused = None;
        let done = self.until_deadline(|| {
            let found = self.document(key, limit)?;
            if let Some((_, bytes)) = &found
                && attempted.is_some()
                && is_done(bytes)
            {
                return Ok(Some(attempted.take()));
            }
            let (bytes, result) = match change(found.as_ref().map(|(_, bytes)| bytes.as_slice())) {
                Ok(changed) => changed,
                Err(error) => {
                    refused = Some(error);
                    return Ok(Some(None));
                }
            };
            let Some(bytes) = bytes else { return Ok(Some(Some(result))) };
            let condition = found.as_ref().map_or(PutCondition::Absent, |(tag, _)| PutCondition::Tag(tag));
            attempted = Some(result);
            let written = self.client.put(key, &bytes, condition)?;
            Ok(written.then(|| attempted.take()))
        })?;
        done.ok_or_else(|| refused.unwrap_or_else(|| self.busy().into()))
    }

    fn busy(&self) -> Error {
        let why = "other writers were faster each time; try again".to_owned();
        Error::Remote { location: self.url.clone(), why, transient: true }
    }

    /// Repeats an attempt until it has a result, with growing pauses. Failures of the store are retried as well.
    fn until_deadline<T>(&self, mut attempt: impl FnMut() -> Result<Option<T>, Error>) -> Result<T, Error> {
        let (started, mut pause) = (Instant::now(), SHORTEST_PAUSE);
        loop {
            let failure = match attempt() {
                Ok(Some(done)) => return Ok(done),
                Ok(None) => None,
                Err(error) if error.is_transient() => Some(error),
                Err(error) => return Err(error),
            };
            if started.elapsed() > WRITE_DEADLINE {
                return Err(failure.unwrap_or_else(|| self.busy()));
            }
            std::thread::sleep(jittered(pause));
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Between half of a pause and all of it, so that writers that collided do not collide again.
fn jittered(pause: Duration) -> Duration {
    let nanos = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos() ^ std::process::id().rotate_left(16));
    pause / 2 + pause.mul_f64(f64::from(nanos % 1024) / 2048.0)
}

#[cfg(test)]
mod tests;
