//! Staged writes: beside the target, synced, then renamed, so that a reader sees all or nothing.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempDir};

use crate::disk::private::{file_mode, folder_mode, parent, set_mode};
use crate::error::{Error, at};

/// Start of the name of every staged file and folder. A killed process may leave one behind; the lock
/// that its writer holds on it ends with the process.
pub const STAGED_PREFIX: &str = ".staged-";
/// Number of attempts to create an entry that is not removed before it is locked.
const ATTEMPTS: usize = 16;

/// A file that is being written beside its target. Dropped without a commit, it is removed.
#[derive(Debug)]
pub struct StagedFile {
    target: PathBuf,
    file: NamedTempFile,
}

impl StagedFile {
    /// Creates an empty file beside `target`, and the folder above it where needed. Only the owner
    /// may read it, unless the folder is shared.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(target: &Path) -> Result<Self, Error> {
        let folder = parent(target);
        create_folder(folder)?;
        for _ in 0..ATTEMPTS {
            let file =
                tempfile::Builder::new().prefix(STAGED_PREFIX).tempfile_in(folder).map_err(at(target))?;
            if hold(file.as_file(), file.path()) {
                return Ok(Self { target: target.to_owned(), file });
            }
        }
        Err(at(target)(removed()))
    }

    /// Path of the staged file, for writers that open it themselves.
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Path that the file has after the commit.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// The open file.
    pub fn file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Appends bytes.
    ///
    /// # Errors
    /// [`Error::Io`] with the target's path.
    pub fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.file.write_all(bytes).map_err(at(&self.target))
    }

    /// Syncs the file, renames it to its target and syncs the folder.
    ///
    /// # Errors
    /// [`Error::Io`]; the old file is then still whole.
    pub fn commit(self) -> Result<(), Error> {
        let mode = file_mode(parent(&self.target));
        self.commit_with(mode)
    }

    /// Renames the file to its target without a sync: for a file that can be made again, and whose reader notices if a
    /// crash of the system cut it off.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_unsynced(self) -> Result<(), Error> {
        self.set_mode(file_mode(parent(&self.target)))?;
        self.persist().map(drop)
    }

    fn commit_with(self, mode: u32) -> Result<(), Error> {
        self.set_mode(mode)?;
        self.file.as_file().sync_all().map_err(at(&self.target))?;
        let target = self.persist()?;
        sync_folder(parent(&target))
    }

    fn set_mode(&self, mode: u32) -> Result<(), Error> {
        // `fs::copy` and the like may have copied the rights of another file.
        self.file.as_file().set_permissions(Permissions::from_mode(mode)).map_err(at(&self.target))
    }

    /// Renames the file to its target, which it returns.
    fn persist(self) -> Result<PathBuf, Error> {
        let persisted = self.file.persist(&self.target);
        persisted.map_err(|error| Error::Io { path: self.target.clone(), source: error.error })?;
        Ok(self.target)
    }

    /// Makes the file read-only, then commits it.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_read_only(self) -> Result<(), Error> {
        let mode = file_mode(parent(&self.target)) & 0o444;
        self.commit_with(mode)
    }
}

/// A folder that is being filled beside its target. Dropped without a commit, it is removed.
#[derive(Debug)]
pub struct StagedFolder {
    target: PathBuf,
    folder: TempDir,
    /// Open folder, locked as long as it is written.
    lock: Option<File>,
}

impl StagedFolder {
    /// Creates an empty folder beside `target`, and the folder above it where needed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(target: &Path) -> Result<Self, Error> {
        let above = parent(target);
        create_folder(above)?;
        let (folder, lock) = temporary(above).map_err(at(target))?;
        Ok(Self { target: target.to_owned(), folder, lock })
    }

    /// Creates an empty folder in `above` for files that are never committed.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn scratch(above: &Path) -> Result<Self, Error> {
        Self::new(&above.join("scratch"))
    }

    /// Path of the staged folder.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes and syncs a file in the folder.
    ///
    /// # Errors
    /// [`Error::Io`] with the path that the file has after the commit.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let shown = self.target.join(name);
        let mut file = File::create(self.path().join(name)).map_err(at(&shown))?;
        file.write_all(bytes).and_then(|()| file.sync_all()).map_err(at(&shown))
    }

    /// Gives the files in the folder their rights, renames it to its target, which must not exist or be
    /// empty, and syncs both folders.
    ///
    /// # Errors
    /// [`Error::Io`]; nothing is then at the target that was not there before.
    pub fn commit(self) -> Result<(), Error> {
        let target = self.target.clone();
        self.commit_as(&target)
    }

    /// Commits the folder under another name in the same folder.
    ///
    /// # Errors
    /// As [`Self::commit`].
    pub fn commit_as(self, target: &Path) -> Result<(), Error> {
        let Self { folder, lock, .. } = self;
        settle(folder.path()).map_err(at(target))?;
        sync_folder(folder.path())?;
        fs::rename(folder.path(), target).map_err(at(target))?;
        // The folder has moved: nothing is left to remove.
        let _ = folder.keep();
        drop(lock);
        sync_folder(parent(target))
    }

    /// Commits the folder in place of the one at its target.
    ///
    /// # Errors
    /// [`Error::Io`]; the old folder is then still at the target.
    pub fn replace(self) -> Result<(), Error> {
        if !self.target.exists() {
            return self.commit();
        }
        let target = self.target.clone();
        let (discarded, _lock) = temporary(parent(&target)).map_err(at(&target))?;
        let old = discarded.path().join("old");
        fs::rename(&target, &old).map_err(at(&target))?;
        let done = self.commit();
        if done.is_err() && fs::rename(&old, &target).is_err() {
            // Better a folder with an odd name than the only copy deleted.
            let _ = discarded.keep();
        }
        done
    }
}

/// Replaces a file: written beside it, synced, renamed, the folder synced.
///
/// # Errors
/// [`Error::Io`]; the old file is then still whole.
pub fn write_file(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut staged = StagedFile::new(path)?;
    staged.write_all(bytes)?;
    staged.commit()
}

/// Makes a folder with these files appear at once, in place of the one at `path`.
///
/// # Errors
/// [`Error::Io`]; nothing is then at `path` that was not there before.
pub fn write_folder(path: &Path, files: &[(&str, &[u8])]) -> Result<(), Error> {
    let staged = StagedFolder::new(path)?;
    files.iter().try_for_each(|(name, bytes)| staged.write(name, bytes))?;
    staged.replace()
}

/// Makes renames within a folder durable.
///
/// # Errors
/// [`Error::Io`].
pub fn sync_folder(path: &Path) -> Result<(), Error> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(at(path))
}

/// Creates a folder, and those above it where needed, for the owner only unless the folder above is
/// shared. The entries of new folders are durable.
///
/// # Errors
/// [`Error::Io`].
pub fn create_folder(path: &Path) -> Result<(), Error> {
    if path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_folder(above)?;
    let mode = folder_mode(above);
    match fs::DirBuilder::new().mode(mode).create(path) {
        Ok(()) => {
            set_mode(path, mode).map_err(at(path))?;
            sync_folder(above)
        }
        // Another process was faster.
        Err(_) if path.is_dir() => Ok(()),
        Err(error) => Err(at(path)(error)),
    }
}

fn temporary(folder: &Path) -> std::io::Result<(TempDir, Option<File>)> {
    let mode = folder_mode(folder);
    for _ in 0..ATTEMPTS {
        let permissions = Permissions::from_mode(mode);
        let staged =
            tempfile::Builder::new().prefix(STAGED_PREFIX).permissions(permissions).tempdir_in(folder)?;
        let opened = File::open(staged.path()).ok();
        if opened.as_ref().map_or_else(|| staged.path().exists(), |opened| hold(opened, staged.path())) {
            // The umask may have taken bits that a shared folder grants.
            set_mode(staged.path(), mode)?;
            return Ok((staged, opened));
        }
    }
    Err(removed())
}

/// Locks a new file or folder, which shows others that its writer lives. Returns `false` if it was removed as a
/// leftover before that. A file system without locks leaves others its age.
fn hold(opened: &File, path: &Path) -> bool {
    // Whoever looks for leftovers holds the lock for a moment.
    let _ = opened.lock();
    path.exists()
}

fn removed() -> std::io::Error {
    std::io::Error::other("another process removes what is being written")
}

/// Gives the entries of a staged folder the rights of new ones.
fn settle(folder: &Path) -> std::io::Result<()> {
    let (file, inner) = (file_mode(folder), folder_mode(folder));
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_file() {
            set_mode(&entry.path(), file)?;
        } else if kind.is_dir() {
            set_mode(&entry.path(), inner)?;
            settle(&entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_file_is_replaced_and_nothing_else_stays() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("deep/file");
        write_file(&path, b"one").unwrap();
        write_file(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        let mut dropped = StagedFile::new(&path).unwrap();
        dropped.write_all(b"three").unwrap();
        drop(dropped);
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(names(path.parent().unwrap()), ["file"]);
    }

    #[test]
    fn a_read_only_file_replaces_another() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("blob");
        for text in ["a", "b"] {
            let mut staged = StagedFile::new(&path).unwrap();
            staged.write_all(text.as_bytes()).unwrap();
            staged.commit_read_only().unwrap();
        }
        assert_eq!(fs::read(&path).unwrap(), b"b");
        assert!(fs::metadata(&path).unwrap().permissions().readonly());
    }

    #[test]
    fn a_folder_is_replaced_whole() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("checkpoint");
        write_folder(&path, &[("a", b"1"), ("b", b"1")]).unwrap();
        write_folder(&path, &[("a", b"2")]).unwrap();
        assert_eq!(names(&path), ["a"]);
        assert_eq!(names(folder.path()), ["checkpoint"]);
    }

    #[test]
    fn a_commit_does_not_overwrite_a_folder() {
        let folder = cupola_testkit::temporary();
        let path = folder.path().join("1");
        write_folder(&path, &[("a", b"1")]).unwrap();
        let staged = StagedFolder::new(&path).unwrap();
        staged.write("a", b"2").unwrap();
        assert!(matches!(staged.commit(), Err(Error::Io { .. })));
        assert_eq!(fs::read(path.join("a")).unwrap(), b"1");
        assert_eq!(names(folder.path()), ["1"]);
    }

    #[test]
    fn new_entries_belong_to_their_owner_or_to_the_group_of_a_shared_folder() {
        let folder = cupola_testkit::temporary();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for (root, file, inner) in [(0o755, 0o600, 0o700), (0o2770, 0o660, 0o770)] {
            let root_path = folder.path().join(format!("{root:o}"));
            fs::create_dir(&root_path).unwrap();
            fs::set_permissions(&root_path, Permissions::from_mode(root)).unwrap();
            write_file(&root_path.join("deep/file"), b"1").unwrap();
            let staged = StagedFolder::new(&root_path.join("folder")).unwrap();
            fs::write(staged.path().join("by another writer"), b"1").unwrap();
            staged.commit().unwrap();
            assert_eq!(mode(&root_path.join("deep")), inner);
            assert_eq!(mode(&root_path.join("deep/file")), file);
            assert_eq!(mode(&root_path.join("folder")), inner);
            assert_eq!(mode(&root_path.join("folder/by another writer")), file);
        }
    }
}
