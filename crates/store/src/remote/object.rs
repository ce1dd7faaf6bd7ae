//! Objects that are read, created and deleted without the cache.

use std::time::Instant;

use super::{Fetched, ObjectInfo, PAUSE_AFTER_FAILURE, PutCondition, Remote};
use crate::error::Error;

impl Remote {
    /// Reads an object of at most `limit` bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Remote`]; [`Error::Damaged`] for a larger object.
    pub fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match self.client.get(key, limit, None)? {
            Fetched::Object { bytes, .. } => Ok(Some(bytes)),
            Fetched::Missing | Fetched::Unchanged => Ok(None),
        }
    }

    /// Lists the objects below a prefix, which ends with `/`, as the store has them now.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, Error> {
        self.client.list(prefix)
    }

    /// Deletes an object, which may be gone.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn delete(&self, key: &str) -> Result<(), Error> {
        self.client.delete(key)
    }

    /// Creates an object whose key no other writer has, with one attempt. Returns `false` if the store does not answer, or
    /// did not a moment ago: the caller keeps the bytes and tries again. The object may exist then all the same.
    ///
    /// # Errors
    /// [`Error::Remote`] for a failure that does not pass; [`Error::Damaged`] if the key has other bytes.
    pub fn try_create(&self, key: &str, bytes: &[u8]) -> Result<bool, Error> {
        if self.state().write_failed.is_some_and(|failed| failed.elapsed() < PAUSE_AFTER_FAILURE) {
            return Ok(false);
        }
        match self.create(key, bytes) {
            Ok(()) => {
                if self.state().write_failed.take().is_some() {
                    self.warn(&format!("{} takes objects again", self.url));
                }
                Ok(true)
            }
            Err(error) if error.is_transient() => {
                if self.state().write_failed.replace(Instant::now()).is_none() {
                    let root = self.root.display();
                    self.warn(&format!("objects wait in {root} until the store takes them: {error}"));
                }
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// One attempt to create an object. An attempt whose response was lost has made it already.
    fn create(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        if self.client.put(key, bytes, PutCondition::Absent)? {
            return Ok(());
        }
        let damaged = || {
            let reason = "another writer has used its name".to_owned();
            Error::Damaged { path: self.address(key), reason }
        };
        match self.client.get(key, bytes.len() as u64, None) {
            Ok(Fetched::Object { bytes: found, .. }) if found == bytes => Ok(()),
            Ok(Fetched::Object { .. }) | Err(Error::Damaged { .. }) => Err(damaged()),
            Ok(Fetched::Missing | Fetched::Unchanged) => Err(self.busy()),
            Err(error) => Err(error),
        }
    }
}
