//! Locks between processes.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::disk::private::open_regular;
use crate::disk::staged::create_folder;
use crate::error::{Error, at};

/// Longest wait for a lock. What is done under one takes milliseconds: large files are staged before.
const WAIT: Duration = Duration::from_mins(1);
/// Longest wait for a lock that fails at once where another process holds it. A process that only looks
/// ([`Lock::is_held`]) has the lock for microseconds, and must not be taken for a holder.
const GLANCE: Duration = Duration::from_millis(250);
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// An exclusive lock between processes, released when it is dropped or the process ends.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits up to a minute for the lock of a folder, the file `.lock` in it. Creates the folder.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it all the time, [`Error::Io`].
    pub fn folder(folder: &Path) -> Result<Self, Error> {
        create_folder(folder)?;
        Self::file(&folder.join(".lock"))
    }

    /// Waits up to a minute for the lock of a lock file. Creates the file, which other users cannot open
    /// and so cannot lock.
    ///
    /// # Errors
    /// As [`Self::folder`].
    pub fn file(path: &Path) -> Result<Self, Error> {
        Self::within(path, WAIT)
    }

    /// Takes the lock of a folder if no other process holds it.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process holds it, [`Error::Io`].
    pub fn try_folder(folder: &Path) -> Result<Self, Error> {
        Self::within(&folder.join(".lock"), GLANCE)
    }

    /// Takes the lock of a lock file if no other process holds it. Creates the file.
    ///
    /// # Errors
    /// As [`Self::try_folder`].
    pub fn try_file(path: &Path) -> Result<Self, Error> {
        Self::within(path, GLANCE)
    }

    /// `true` if a process holds the lock of a folder; `None` where that cannot be found out. The kernel releases
    /// a lock with its process, so neither a reboot nor a reused process id leaves one behind.
    pub fn is_held(folder: &Path) -> Option<bool> {
        let path = folder.join(".lock");
        match fs::symlink_metadata(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Some(false),
            Ok(entry) if entry.is_file() => match File::open(&path).ok()?.try_lock_shared() {
                Ok(()) => Some(false),
                Err(TryLockError::WouldBlock) => Some(true),
                Err(TryLockError::Error(_)) => None,
            },
            _ => None,
        }
    }

    fn within(path: &Path, wait: Duration) -> Result<Self, Error> {
        let file = open_regular(path, OpenOptions::new().read(true).write(true))?;
        take(&file, path, wait)?;
        Ok(Self { _file: file })
    }
}

/// Waits up to a minute for the lock of an open file, which ends when the file is closed.
pub(crate) fn lock_file(file: &File, path: &Path) -> Result<(), Error> {
    take(file, path, WAIT)
}

fn take(file: &File, path: &Path, wait: Duration) -> Result<(), Error> {
    let (started, mut pause) = (Instant::now(), SHORTEST_PAUSE);
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) if started.elapsed() < wait => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            Err(TryLockError::WouldBlock) => {
                let holder = holder(file).unwrap_or_else(|| "another process".to_owned());
                return Err(Error::Locked { path: path.to_owned(), holder });
            }
            Err(TryLockError::Error(source)) => return Err(at(path)(source)),
        }
    }
}

/// `true` if a process holds the lock of an open file or folder; `None` where the file system has none.
pub(crate) fn is_held(file: &File) -> Option<bool> {
    match file.try_lock() {
        Ok(()) => {
            let _ = file.unlock();
            Some(false)
        }
        Err(TryLockError::WouldBlock) => Some(true),
        Err(TryLockError::Error(_)) => None,
    }
}

/// Process that holds the lock of a file, from the kernel's own table: a process cannot lie in it.
fn holder(file: &File) -> Option<String> {
    let inode = file.metadata().ok()?.ino().to_string();
    let table = fs::read_to_string("/proc/locks").ok()?;
    let process = table.lines().find_map(|line| {
        // "1: FLOCK  ADVISORY  WRITE 4242 fd:01:1234567 0 EOF"
        let fields: Vec<&str> = line.split_whitespace().collect();
        let same = *fields.get(1)? == "FLOCK" && fields.get(5)?.rsplit(':').next()? == inode;
        same.then(|| fields[4].to_owned())
    })?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
    let name = name.trim().escape_debug().to_string();
    Some(if name.is_empty() { format!("process {process}") } else { format!("process {process} ({name})") })
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

    #[test]
    fn a_wait_ends_and_names_the_holder() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join(".lock");
        let held = Lock::file(&path).unwrap();
        let started = Instant::now();
        let error = Lock::within(&path, Duration::from_millis(200)).unwrap_err().to_string();
        assert!(started.elapsed() >= Duration::from_millis(200));
        assert!(error.contains(".lock is locked by "), "{error}");
        if fs::read_to_string("/proc/locks").is_ok_and(|table| !table.is_empty()) {
            assert!(error.contains(&format!("process {}", std::process::id())), "{error}");
        }
        let waits = std::thread::spawn(move || Lock::file(&path).map(drop));
        std::thread::sleep(Duration::from_millis(50));
        drop(held);
        waits.join().unwrap().unwrap();
    }

    #[test]
    fn a_holder_is_seen_and_those_who_look_do_not_disturb() {
        let folder = cupola_testkit::temporary();
        assert_eq!(Lock::is_held(folder.path()), Some(false));
        let held = Lock::try_folder(folder.path()).unwrap();
        assert_eq!(Lock::is_held(folder.path()), Some(true));
        drop(held);
        assert_eq!(Lock::is_held(folder.path()), Some(false), "the file stays, the lock does not");
        std::thread::scope(|scope| {
            scope.spawn(|| (0..2_000).all(|_| Lock::is_held(folder.path()).is_some()));
            (0..200).for_each(|_| drop(Lock::try_folder(folder.path()).unwrap()));
        });
    }

    #[test]
    fn a_link_is_not_locked() {
        let folder = cupola_testkit::temporary();
        let other = folder.path().join("other");
        std::os::unix::fs::symlink(&other, folder.path().join(".lock")).unwrap();
        assert!(matches!(Lock::folder(folder.path()), Err(Error::NotAFile { .. })));
        assert!(!other.exists());
    }
}
