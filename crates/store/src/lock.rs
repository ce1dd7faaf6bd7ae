//! Locks between processes.

use std::fs::{self, File, TryLockError};
use std::path::Path;

use crate::error::{Error, at};

/// An exclusive lock between processes, released when it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the lock of a folder, the file `.lock` in it. Creates the folder.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn folder(folder: &Path) -> Result<Self, Error> {
        fs::create_dir_all(folder).map_err(at(folder))?;
        Self::file(&folder.join(".lock"))
    }

    /// Waits for the lock of a lock file. Creates the file.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn file(path: &Path) -> Result<Self, Error> {
        let file = open(path)?;
        file.lock().map_err(at(path))?;
        Ok(Self { _file: file })
    }

    /// Takes the lock of a folder if no other process holds it.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it, [`Error::Io`].
    pub fn try_folder(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(".lock");
        let file = open(&path)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => Err(Error::Io { path, source }),
        }
    }
}

fn open(path: &Path) -> Result<File, Error> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(at(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_reported_until_it_is_dropped() {
        let folder = cupola_testkit::temporary();
        let held = Lock::folder(folder.path()).unwrap();
        assert!(matches!(Lock::try_folder(folder.path()), Err(Error::Locked { .. })));
        drop(held);
        Lock::try_folder(folder.path()).unwrap();
    }
}
