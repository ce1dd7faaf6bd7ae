//! Files and folders that killed processes left behind.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::disk::lock::is_held;
use crate::disk::staged::STAGED_PREFIX;
use crate::error::{Error, at};

/// Starts of the names of staged files and folders; the second is that of earlier versions.
const PREFIXES: [&str; 2] = [STAGED_PREFIX, ".tmp"];
/// End of the name of an unfinished download, which the next attempt continues.
const PARTIAL: &str = ".part";
/// Age from which a leftover may be removed that no lock tells about.
const STAGED_AGE: Duration = Duration::from_mins(10);
const PARTIAL_AGE: Duration = Duration::from_hours(24);
/// Levels of folders that are searched.
const DEPTH: usize = 8;

/// State of a staged file or folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftoverState {
    /// Its writer lives and holds its lock.
    InUse,
    /// Its writer is gone, or unknown, and it is too young to be removed.
    Recent,
    /// Its writer is gone: it may be removed.
    Abandoned,
}

/// A staged file or folder that is not, or not yet, at its target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leftover {
    /// Path of the file or folder.
    pub path: PathBuf,
    /// Size in bytes, with everything in it.
    pub bytes: u64,
    /// Time since its last change.
    pub age: Duration,
    /// State of its writer.
    pub state: LeftoverState,
}

/// Finds the staged files and folders and the unfinished downloads below `root`, sorted by path. Links
/// are not followed, and folders that cannot be read are skipped.
///
/// # Errors
/// [`Error::Io`] if `root` exists and cannot be read.
pub fn leftovers(root: &Path) -> Result<Vec<Leftover>, Error> {
    let mut found = Vec::new();
    match fs::read_dir(root) {
        Ok(_) => search(root, DEPTH, &mut found),
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(at(root)(error)),
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn search(folder: &Path, depth: usize, found: &mut Vec<Leftover>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
        let name = name.to_string_lossy();
        let partial = metadata.is_file() && name.ends_with(PARTIAL);
        if partial || PREFIXES.iter().any(|prefix| name.starts_with(prefix)) {
            found.push(Leftover::of(path, &metadata, if partial { PARTIAL_AGE } else { STAGED_AGE }));
        } else if metadata.is_dir() && depth > 0 {
            search(&path, depth - 1, found);
        }
    }
}

impl Leftover {
    fn of(path: PathBuf, metadata: &Metadata, removable: Duration) -> Self {
        let (bytes, newest) = measure(&path, metadata, DEPTH);
        let held = held(&path, metadata);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let locked = name.starts_with(STAGED_PREFIX) && !name.ends_with(PARTIAL);
        // Without a lock to go by, a file that was written lately shows a writer.
        let age = if held == Some(false) { age(metadata) } else { newest };
        let state = match held {
            Some(true) => LeftoverState::InUse,
            // Its writer would hold the lock.
            Some(false) if locked => LeftoverState::Abandoned,
            _ if age > removable => LeftoverState::Abandoned,
            _ => LeftoverState::Recent,
        };
        Self { path, bytes, age, state }
    }

    /// Removes it if it is [`LeftoverState::Abandoned`] still. Returns `false` if it is not.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self) -> Result<bool, Error> {
        let Ok(metadata) = fs::symlink_metadata(&self.path) else { return Ok(false) };
        if self.state != LeftoverState::Abandoned {
            return Ok(false);
        }
        // Opening a special file could wait for ever.
        let ordinary = metadata.is_file() || metadata.is_dir();
        let opened = if ordinary { File::open(&self.path).ok() } else { None };
        // Locked until it is gone: a writer that has just created it waits, and creates another one.
        if let Some(opened) = &opened
            && matches!(opened.try_lock(), Err(TryLockError::WouldBlock))
        {
            return Ok(false);
        }
        let removed =
            if metadata.is_dir() { fs::remove_dir_all(&self.path) } else { fs::remove_file(&self.path) };
        match removed {
            // Its writer has moved it to its target.
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            other => other.map(|()| true).map_err(at(&self.path)),
        }
    }
}

/// `true` if the writer of a file or folder holds its lock; `None` where that cannot be told.
fn held(path: &Path, metadata: &Metadata) -> Option<bool> {
    // Opening a special file could wait for ever.
    if !metadata.is_file() && !metadata.is_dir() {
        return Some(false);
    }
    is_held(&File::open(path).ok()?)
}

/// Size of an entry with what is in it, and time since the newest change.
fn measure(path: &Path, metadata: &Metadata, depth: usize) -> (u64, Duration) {
    let mut total = (if metadata.is_dir() { 0 } else { metadata.len() }, age(metadata));
    if metadata.is_dir() && depth > 0 {
        for entry in fs::read_dir(path).into_iter().flatten().flatten() {
            let Ok(metadata) = fs::symlink_metadata(entry.path()) else { continue };
            let (bytes, newest) = measure(&entry.path(), &metadata, depth - 1);
            total = (total.0.saturating_add(bytes), total.1.min(newest));
        }
    }
    total
}

/// Time since the last change. A time in the future counts as now.
fn age(metadata: &Metadata) -> Duration {
    metadata.modified().ok().and_then(|time| time.elapsed().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;
    use std::time::SystemTime;

    use super::*;
    use crate::{StagedFile, StagedFolder};

    fn make_old(path: &Path, hours: u64) {
        let time = SystemTime::now() - Duration::from_hours(hours);
        File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
    }

    #[test]
    fn what_a_writer_holds_is_in_use_and_the_rest_goes_when_it_is_old() {
        let folder = cupola_testkit::temporary();
        let root = folder.path();
        let staged = StagedFolder::new(&root.join("models/m/1")).unwrap();
        staged.write("weights", &[0; 100]).unwrap();
        let file = StagedFile::new(&root.join("data/blobs/ab/cd")).unwrap();
        make_old(staged.path(), 1);
        make_old(file.path(), 1);
        for (name, hours) in [
            ("runs/.staged-dead", 1),
            ("runs/r/checkpoints/.tmpOld", 1),
            ("runs/.tmpNew", 0),
            (".staged-new", 0),
        ] {
            fs::create_dir_all(root.join(name)).unwrap();
            fs::write(root.join(name).join("inside"), [0; 10]).unwrap();
            make_old(&root.join(name), hours);
        }
        for (name, hours) in [("a.csv.part", 2), ("b.csv.part", 48)] {
            fs::write(root.join("data").join(name), "x").unwrap();
            make_old(&root.join("data").join(name), hours);
        }
        let found = leftovers(root).unwrap();
        let state = |path: &Path| found.iter().find(|one| one.path == path).unwrap().state;
        assert_eq!(found.len(), 8);
        assert_eq!(state(staged.path()), LeftoverState::InUse);
        assert_eq!(state(file.path()), LeftoverState::InUse);
        assert_eq!(state(&root.join("runs/.staged-dead")), LeftoverState::Abandoned);
        assert_eq!(state(&root.join("runs/r/checkpoints/.tmpOld")), LeftoverState::Abandoned);
        // A lock tells more than the age.
        assert_eq!(state(&root.join(".staged-new")), LeftoverState::Abandoned);
        assert_eq!(state(&root.join("runs/.tmpNew")), LeftoverState::Recent);
        assert_eq!(state(&root.join("data/a.csv.part")), LeftoverState::Recent);
        assert_eq!(state(&root.join("data/b.csv.part")), LeftoverState::Abandoned);
        assert!(found.iter().any(|one| one.path == staged.path() && one.bytes == 100));
        let removed = found.iter().filter(|one| one.remove().unwrap()).count();
        assert_eq!((removed, leftovers(root).unwrap().len()), (4, 4));
        staged.commit().unwrap();
        assert_eq!(fs::read(root.join("models/m/1/weights")).unwrap(), [0; 100]);
    }

    #[test]
    fn what_is_written_is_never_removed() {
        let folder = cupola_testkit::temporary();
        let root = folder.path();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    for leftover in leftovers(root).unwrap() {
                        // A writer may have moved it meanwhile.
                        let _ = leftover.remove();
                    }
                }
            });
            for number in 0..200 {
                let target = root.join(format!("f{number}"));
                let mut file = StagedFile::new(&target).unwrap();
                file.write_all(b"whole").unwrap();
                file.commit().unwrap();
                assert_eq!(fs::read(&target).unwrap(), b"whole");
                let target = root.join(format!("d{number}"));
                let staged = StagedFolder::new(&target).unwrap();
                staged.write("in", b"whole").unwrap();
                staged.commit().unwrap();
                assert_eq!(fs::read(target.join("in")).unwrap(), b"whole");
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        assert!(leftovers(root).unwrap().is_empty());
    }

    #[test]
    fn a_link_is_removed_and_not_what_it_leads_to() {
        let folder = cupola_testkit::temporary();
        let (root, outside) = (folder.path().join("home"), folder.path().join("outside"));
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(&outside).unwrap();
        fs::write(outside.join(".staged-x"), "precious").unwrap();
        std::os::unix::fs::symlink(&outside, root.join(".staged-link")).unwrap();
        std::os::unix::fs::symlink(&outside, root.join("models")).unwrap();
        let found = leftovers(&root).unwrap();
        assert_eq!(found.len(), 1);
        let old = Leftover { state: LeftoverState::Abandoned, ..found[0].clone() };
        assert!(old.remove().unwrap());
        assert!(outside.join(".staged-x").exists() && !root.join(".staged-link").exists());
    }
}
