//! The interface to one root of documents and folders.

use std::fs;
use std::path::{Path, PathBuf};

use crate::disk::local::{folders, read_limited};
use crate::disk::lock::Lock;
use crate::disk::staged::{write_file, write_folder};
use crate::error::{Error, at};
use crate::name::is_plain_file_name;

/// A root of small documents and folders, addressed by keys: plain names separated by `/`.
///
/// Writes are atomic: a reader sees the old content or the new one. The local file system is the
/// only implementation; an object store needs no more than these operations.
pub trait Storage: std::fmt::Debug + Send + Sync {
    /// Reads a document of at most `limit` bytes; `None` if it does not exist.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Damaged`] for a larger document, [`Error::Key`].
    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>, Error>;

    /// Replaces a document.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`].
    fn write(&self, key: &str, bytes: &[u8]) -> Result<(), Error>;

    /// Replaces a folder by one with these files.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`].
    fn write_folder(&self, key: &str, files: &[(&str, &[u8])]) -> Result<(), Error>;

    /// Sorted names of the folders below a key; empty if it does not exist.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`].
    fn folders(&self, key: &str) -> Result<Vec<String>, Error>;

    /// Removes a folder and what is in it.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`].
    fn remove_folder(&self, key: &str) -> Result<(), Error>;

    /// Waits for the exclusive lock of a folder.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Key`].
    fn lock(&self, key: &str) -> Result<Lock, Error>;
}

/// A [`Storage`] on the local file system.
#[derive(Debug, Clone)]
pub struct LocalFolder {
    root: PathBuf,
}

impl LocalFolder {
    /// Creates a storage at `root`. The folder appears with the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The root folder.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Path of a key.
    ///
    /// # Errors
    /// [`Error::Key`] for a key that leads out of the root.
    pub fn path(&self, key: &str) -> Result<PathBuf, Error> {
        if key.split('/').all(is_plain_file_name) {
            Ok(self.root.join(key))
        } else {
            Err(Error::Key { key: key.to_owned() })
        }
    }
}

impl Storage for LocalFolder {
    fn read(&self, key: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        match read_limited(&self.path(key)?, limit) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write(&self, key: &str, bytes: &[u8]) -> Result<(), Error> {
        write_file(&self.path(key)?, bytes)
    }

    fn write_folder(&self, key: &str, files: &[(&str, &[u8])]) -> Result<(), Error> {
        write_folder(&self.path(key)?, files)
    }

    fn folders(&self, key: &str) -> Result<Vec<String>, Error> {
        Ok(folders(&self.path(key)?)?.into_iter().map(|(name, _)| name).collect())
    }

    fn remove_folder(&self, key: &str) -> Result<(), Error> {
        let path = self.path(key)?;
        fs::remove_dir_all(&path).map_err(at(&path))
    }

    fn lock(&self, key: &str) -> Result<Lock, Error> {
        Lock::folder(&self.path(key)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_folders_are_found_by_key() {
        let folder = cupola_testkit::temporary();
        let storage = LocalFolder::new(folder.path().join("root"));
        let storage: &dyn Storage = &storage;
        assert_eq!(storage.read("models/m/aliases.json", 10).unwrap(), None);
        assert!(storage.folders("models").unwrap().is_empty());
        storage.write("models/m/aliases.json", b"{}").unwrap();
        storage.write_folder("models/m/1", &[("a", b"1")]).unwrap();
        let _lock = storage.lock("models/m").unwrap();
        assert_eq!(storage.read("models/m/aliases.json", 10).unwrap().unwrap(), b"{}");
        assert_eq!(storage.folders("models/m").unwrap(), ["1"]);
        storage.remove_folder("models/m/1").unwrap();
        assert!(storage.folders("models/m").unwrap().is_empty());
        for key in ["", "/etc", "../x", "a/../b", "a//b", ".lock"] {
            assert!(matches!(storage.read(key, 1), Err(Error::Key { .. })), "{key:?}");
        }
    }
}
