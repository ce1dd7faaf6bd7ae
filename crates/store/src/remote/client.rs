//! Operations that a home needs of an object store.

use std::path::Path;
use std::time::SystemTime;

use crate::error::Error;

/// Entry of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectInfo {
    /// Key below the root of the home.
    pub key: String,
    /// Tag that changes with the content.
    pub tag: String,
    /// Length in bytes.
    pub bytes: u64,
}

/// Condition of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PutCondition<'a> {
    /// Write always.
    Always,
    /// Write only if the object does not exist (`If-None-Match: *`).
    Absent,
    /// Write only if the object has this tag (`If-Match`).
    Tag(&'a str),
}

/// Outcome of a read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// The object does not exist.
    Missing,
    /// The object has the tag that the caller knows.
    Unchanged,
    /// Content of the object.
    Object {
        /// Tag that changes with the content.
        tag: String,
        /// Content.
        bytes: Vec<u8>,
    },
}

/// Blocking client of an object store, addressed by keys below the root of a home. Every operation has a deadline and
/// retries what the store allows.
pub trait ObjectClient: std::fmt::Debug + Send + Sync {
    /// Checks what takes no request, such as the mounted file system of a folder. Called before work that people wait for:
    /// they can mount it, while a server goes on and tries again.
    ///
    /// # Errors
    /// [`Error::Remote`] that is not transient.
    fn check_place(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Reads an object of at most `limit` bytes, unless it still has the tag `known`.
    ///
    /// # Errors
    /// [`Error::Remote`]; [`Error::Damaged`] for a larger object.
    fn get(&self, key: &str, limit: u64, known: Option<&str>) -> Result<Fetched, Error>;

    /// Downloads an object of at most `limit` bytes to an existing file. Returns `false` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`]; [`Error::Damaged`] for a larger object.
    fn get_file(&self, key: &str, to: &Path, limit: u64) -> Result<bool, Error>;

    /// Writes an object. Returns `false` if the condition does not hold.
    ///
    /// # Errors
    /// [`Error::Remote`]; the object may then have been written all the same.
    fn put(&self, key: &str, bytes: &[u8], condition: PutCondition<'_>) -> Result<bool, Error>;

    /// Uploads a file. The object appears when all of it has arrived.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`].
    fn put_file(&self, key: &str, from: &Path) -> Result<(), Error>;

    /// Length of an object in bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Remote`].
    fn length(&self, key: &str) -> Result<Option<u64>, Error>;

    /// All objects below a prefix, which ends with `/`.
    ///
    /// # Errors
    /// [`Error::Remote`].
    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, Error>;

    /// Time of the last write of an object by the clock of the store, in whole seconds or finer; `None` if it does not
    /// exist.
    ///
    /// # Errors
    /// [`Error::Remote`].
    fn modified(&self, key: &str) -> Result<Option<SystemTime>, Error>;

    /// Deletes an object, which may be gone.
    ///
    /// # Errors
    /// [`Error::Remote`].
    fn delete(&self, key: &str) -> Result<(), Error>;
}
