//! Files of a store that are called by their digests: written once, shared, and checked whenever they arrive.

use std::fs;
use std::path::Path;

use super::Remote;
use crate::digest::sha256_file;
use crate::disk::staged::StagedFile;
use crate::error::{Error, at};

impl Remote {
    /// Key of a content-addressed file; `suffix` is empty or, for an encrypted file, its extension.
    pub fn blob_key(sha256: &str, suffix: &str) -> String {
        let (first, rest) = sha256.split_at(sha256.len().min(2));
        format!("blobs/{first}/{rest}{suffix}")
    }

    /// Uploads a file under a key that stands for its content, unless an object of its length is there.
    ///
    /// # Errors
    /// [`Error::Remote`], [`Error::Io`].
    pub fn send(&self, key: &str, from: &Path) -> Result<(), Error> {
        let length = fs::metadata(from).map_err(at(from))?.len();
        self.until_deadline(|| {
            if self.client.length(key)? != Some(length) {
                self.client.put_file(key, from)?;
            }
            Ok(Some(()))
        })
    }

    /// Writes an object under a key that only this process writes, in place of what is there.
    ///
    /// # Errors
    /// [`Error::Remote`].
    pub fn put(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        self.client.put(key, bytes, super::PutCondition::Always).map(drop)
    }

    /// Downloads an object to `target`, which appears when it is complete. The digest of its bytes must be `sha256`, if
    /// there is one. Returns `false` if the object does not exist.
    ///
    /// # Errors
    /// [`Error::Digest`] with the address of the object; [`Error::Remote`], [`Error::Io`].
    pub fn receive(&self, key: &str, target: &Path, limit: u64, sha256: Option<&str>) -> Result<bool, Error> {
        let staged = StagedFile::new(target)?;
        if !self.client.get_file(key, staged.path(), limit)? {
            return Ok(false);
        }
        if let Some(expected) = sha256 {
            let (found, _) = sha256_file(staged.path(), drop)?;
            if found != expected {
                let path = self.address(key);
                return Err(Error::Digest { path, expected: expected.to_owned(), found });
            }
        }
        staged.commit()?;
        Ok(true)
    }
}
