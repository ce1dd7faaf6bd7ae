//! Lock of a journal, as Optuna's `JournalFileOpenLock` takes it: a file `FILE.lock` that only one process can create.
//!
//! Optuna's other lock is a symbolic link of the same name. Neither can be created while the other is there, so that
//! all three exclude each other.

use std::fs::{self, Metadata, OpenOptions};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::error::{StudyError, at};

/// Age from which a lock belongs to a process that was killed; Optuna's grace period.
const GRACE: Duration = Duration::from_secs(30);
/// Longest wait for a lock that changes hands all the time.
const WAIT: Duration = Duration::from_mins(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Exclusive right to append to a journal, until it is dropped.
#[derive(Debug)]
pub(super) struct JournalLock {
    path: PathBuf,
    identity: Option<LockIdentity>,
}

/// One creation of a lock file: another process's lock at the same path differs.
type LockIdentity = (u64, Option<Duration>);

impl JournalLock {
    /// Waits for the lock of a journal. A lock that has not changed for 30 seconds is removed.
    ///
    /// # Errors
    /// [`StudyError::Locked`] after two minutes, [`StudyError::Io`].
    pub fn acquire(journal: &Path) -> Result<Self, StudyError> {
        let mut name = journal.as_os_str().to_owned();
        name.push(".lock");
        let path = PathBuf::from(name);
        let (started, mut pause) = (Instant::now(), Duration::from_millis(1));
        let mut seen: Option<(LockIdentity, Instant)> = None;
        loop {
            match OpenOptions::new().write(true).create_new(true).open(&path) {
                Ok(file) => {
                    let identity = file.metadata().ok().map(|found| identity(&found));
                    return Ok(Self { path, identity });
                }
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(source) => return Err(at(&path)(source)),
            }
            if let Ok(found) = fs::symlink_metadata(&path) {
                let found = identity(&found);
                match seen {
                    Some((last, since)) if last == found && since.elapsed() > GRACE => remove(&path, found),
                    Some((last, _)) if last == found => {}
                    _ => seen = Some((found, Instant::now())),
                }
            }
            if started.elapsed() > WAIT {
                return Err(StudyError::Locked { path });
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

impl Drop for JournalLock {
    fn drop(&mut self) {
        match self.identity {
            Some(identity) => remove(&self.path, identity),
            None => drop(fs::remove_file(&self.path)),
        }
    }
}

#[cfg(unix)]
fn identity(found: &Metadata) -> LockIdentity {
    use std::os::unix::fs::MetadataExt;
    (found.ino(), changed(found))
}

#[cfg(not(unix))]
fn identity(found: &Metadata) -> LockIdentity {
    (0, changed(found))
}

fn changed(found: &Metadata) -> Option<Duration> {
    found.modified().ok()?.duration_since(std::time::UNIX_EPOCH).ok()
}

/// Removes a lock unless another process has taken it meanwhile. It is renamed first, as Optuna does, so that of
/// several processes that remove it only one succeeds.
fn remove(path: &Path, expected: LockIdentity) {
    if !fs::symlink_metadata(path).is_ok_and(|found| identity(&found) == expected) {
        return;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!("{}-{}.rename", std::process::id(), uuid::Uuid::new_v4().simple()));
    let aside = PathBuf::from(name);
    if fs::rename(path, &aside).is_ok() {
        let _ = fs::remove_file(aside);
    }
}
