//! Copies of small objects in the cache.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use super::{Fetched, LISTING_AGE, ObjectInfo, Remote};
use crate::disk::json::JSON_LIMIT;
use crate::disk::staged::write_file;
use crate::error::Error;
use crate::name::is_plain_file_name;

/// Objects that are downloaded at the same time.
const AT_ONCE: usize = 16;

impl Remote {
    /// Lists the objects below a prefix. `None` if the store fails, or if the prefix was listed a moment ago: the caller
    /// uses the cache. Keys that are no paths of plain names are left out.
    pub fn listing(&self, prefix: &str) -> Option<Vec<ObjectInfo>> {
        let recent = |listed: &Instant| listed.elapsed() < LISTING_AGE;
        if self.state().listed.get(prefix).is_some_and(recent) {
            return None;
        }
        let mut found = self.try_read(|client| client.list(prefix))?;
        found.retain(|object| object.key.split('/').all(is_plain_file_name));
        self.state().listed.insert(prefix.to_owned(), Instant::now());
        Some(found)
    }

    /// Makes the next listings ask the store.
    pub fn forget_listings(&self) {
        self.state().listed.clear();
    }

    /// Reads objects of at most [`JSON_LIMIT`] bytes, several at a time, and hands each that exists to `each`. Stops
    /// without an error if the store fails.
    ///
    /// # Errors
    /// The first error of `each`.
    pub fn read_all<E: Send>(
        &self,
        keys: &[String],
        each: impl Fn(&str, Vec<u8>) -> Result<(), E> + Sync,
    ) -> Result<(), E> {
        let (next, failure) = (AtomicUsize::new(0), Mutex::new(None));
        let failed = || failure.lock().unwrap_or_else(PoisonError::into_inner);
        std::thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(keys.len()) {
                scope.spawn(|| {
                    while failed().is_none()
                        && let Some(key) = keys.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let read = self.try_read(|client| client.get(key, JSON_LIMIT, None));
                        if let Some(Fetched::Object { bytes, .. }) = read
                            && let Err(error) = each(key, bytes)
                        {
                            failed().get_or_insert(error);
                        }
                    }
                });
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    /// Copies objects into the cache, at the paths of their keys, unless they are there.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`].
    pub fn copy_missing(&self, keys: impl IntoIterator<Item = String>) -> Result<(), Error> {
        let missing: Vec<String> = keys.into_iter().filter(|key| !self.root().join(key).is_file()).collect();
        self.read_all(&missing, |key, bytes| write_file(&self.root().join(key), &bytes))
    }
}
