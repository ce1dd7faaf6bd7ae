//! An object store in a folder: for tests, and for file systems that are mounted on several machines.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::access::MARKER;
use super::client::{Fetched, ObjectClient, ObjectInfo, PutCondition};
use crate::digest::{sha256_file, sha256_hex};
use crate::disk::local::read_limited;
use crate::disk::lock::Lock;
use crate::disk::staged::{StagedFile, create_folder, write_file};
use crate::error::{Error, at};
use crate::name::is_plain_file_name;

/// Objects as files of a folder. A lock makes conditional writes of several processes exclude each other.
#[derive(Debug)]
pub struct FolderClient {
    root: PathBuf,
    /// Path without which the store is away, and not empty; `None` for a folder that appears with the first write.
    required: Option<PathBuf>,
}

impl FolderClient {
    /// Opens a folder, which appears with the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), required: None }
    }

    /// Opens a folder that was there before. A file system that is not mounted is not taken for an empty store.
    pub fn known(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { required: Some(root.clone()), root }
    }

    /// Opens a folder that has the object `store.json`. Without it, only the mount point of the file system is there.
    pub fn marked(root: impl Into<PathBuf>) -> Self {
        let root = root.into();
        Self { required: Some(root.join(MARKER)), root }
    }

    /// `true` if the folder has the object `store.json`.
    pub fn is_marked(root: &Path) -> bool {
        root.join(MARKER).is_file()
    }

    /// Error of a folder that is away.
    fn missing(&self, transient: bool) -> Option<Error> {
        if self.required.as_ref().is_none_or(|required| required.exists()) {
            return None;
        }
        let why = if self.root.is_dir() {
            format!("the folder has no `{MARKER}`; mount its file system, or correct --home")
        } else {
            "no such folder; create it or mount its file system, or correct --home".to_owned()
        };
        Some(self.away(why, transient))
    }

    /// Path of a key. A folder that is away is a store that does not answer: its file system may be mounted again.
    fn path(&self, key: &str) -> Result<PathBuf, Error> {
        if let Some(error) = self.missing(true) {
            return Err(error);
        }
        if key.split('/').all(is_plain_file_name) {
            Ok(self.root.join(key))
        } else {
            Err(Error::Key { key: key.to_owned() })
        }
    }

    fn away(&self, why: String, transient: bool) -> Error {
        Error::Remote { location: self.root.to_string_lossy().into_owned(), why, transient }
    }

    /// Error of a file, or of the file system that it is on.
    fn failure(&self, error: Error) -> Error {
        match error {
            Error::Io { path, source } if is_away(&source) => {
                self.away(format!("{}: {source}; check its file system", path.display()), true)
            }
            other => other,
        }
    }

    fn lock(&self) -> Result<Lock, Error> {
        create_folder(&self.root)?;
        Lock::folder(&self.root)
    }

    fn write(&self, key: &str, bytes: &[u8], condition: PutCondition<'_>) -> Result<bool, Error> {
        let path = self.path(key)?;
        let _lock = self.lock()?;
        let present = found(sha256_file(&path, drop))?.map(|(tag, _)| tag);
        let holds = match condition {
            PutCondition::Always => true,
            PutCondition::Absent => present.is_none(),
            PutCondition::Tag(tag) => present.as_deref() == Some(tag),
        };
        if holds {
            write_file(&path, bytes)?;
        }
        Ok(holds)
    }
}

/// `true` for failures of a file system of another machine, which may pass.
fn is_away(source: &std::io::Error) -> bool {
    // EIO has no kind of its own; file systems in user space fail with it.
    const EIO: i32 = 5;
    let kind = source.kind();
    source.raw_os_error() == Some(EIO)
        || matches!(kind, ErrorKind::StaleNetworkFileHandle | ErrorKind::TimedOut | ErrorKind::NotConnected)
        || matches!(kind, ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable | ErrorKind::NetworkDown)
}

/// `None` in place of an error about a missing file.
fn found<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl ObjectClient for FolderClient {
    fn check_place(&self) -> Result<(), Error> {
        self.missing(false).map_or(Ok(()), Err)
    }

    fn get(&self, key: &str, limit: u64, known: Option<&str>) -> Result<Fetched, Error> {
        let read = found(read_limited(&self.path(key)?, limit)).map_err(|error| self.failure(error));
        let Some(bytes) = read? else { return Ok(Fetched::Missing) };
        let tag = sha256_hex(&bytes);
        Ok(if known == Some(tag.as_str()) { Fetched::Unchanged } else { Fetched::Object { tag, bytes } })
    }

    fn get_file(&self, key: &str, to: &Path, limit: u64) -> Result<bool, Error> {
        let path = self.path(key)?;
        let Some(length) = self.length(key)? else { return Ok(false) };
        if length > limit {
            return Err(Error::Damaged { path, reason: format!("larger than {limit} bytes") });
        }
        let mut source = fs::File::open(&path).map_err(at(&path))?;
        let mut target = fs::OpenOptions::new().write(true).truncate(true).open(to).map_err(at(to))?;
        std::io::copy(&mut source, &mut target).map_err(at(to))?;
        Ok(true)
    }

    fn put(&self, key: &str, bytes: &[u8], condition: PutCondition<'_>) -> Result<bool, Error> {
        self.write(key, bytes, condition).map_err(|error| self.failure(error))
    }

    fn put_file(&self, key: &str, from: &Path) -> Result<(), Error> {
        let mut staged = StagedFile::new(&self.path(key)?)?;
        let mut source = fs::File::open(from).map_err(at(from))?;
        std::io::copy(&mut source, staged.file_mut()).map_err(at(from))?;
        staged.commit()
    }

    fn length(&self, key: &str) -> Result<Option<u64>, Error> {
        let path = self.path(key)?;
        found(fs::metadata(&path).map_err(at(&path)).map(|metadata| metadata.len()))
    }

    fn list(&self, prefix: &str) -> Result<Vec<ObjectInfo>, Error> {
        let mut objects = Vec::new();
        let mut folders = vec![self.path(prefix.trim_end_matches('/'))?];
        while let Some(folder) = folders.pop() {
            let Some(entries) = found(fs::read_dir(&folder).map_err(at(&folder)))? else { continue };
            for entry in entries {
                let path = entry.map_err(at(&folder))?.path();
                let key = path.strip_prefix(&self.root).ok().and_then(Path::to_str).map(str::to_owned);
                let Some(key) = key.filter(|key| key.split('/').all(is_plain_file_name)) else { continue };
                if path.is_dir() {
                    folders.push(path);
                } else if let Some((tag, bytes)) = found(sha256_file(&path, drop))? {
                    objects.push(ObjectInfo { key, tag, bytes });
                }
            }
        }
        objects.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(objects)
    }

    fn modified(&self, key: &str) -> Result<Option<SystemTime>, Error> {
        let path = self.path(key)?;
        found(fs::metadata(&path).and_then(|metadata| metadata.modified()).map_err(at(&path)))
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        let path = self.path(key)?;
        let _lock = self.lock()?;
        found(fs::remove_file(&path).map_err(at(&path))).map(drop)
    }
}
