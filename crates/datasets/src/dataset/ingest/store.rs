//! Pushed rows of a home in an object store: each write of the log is an object `data/NAME/inbox/ID.jsonl`.
//!
//! An object is created once and never changed. While the store is away, writes wait as files in a bounded spool in the
//! cache. Any machine makes a version of the objects. Its manifest names them, and one conditional write makes it visible,
//! so that rows are taken exactly once; the objects are deleted afterwards, and a process that is killed in between
//! leaves what the next one recognises.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use cupola_store::{Lock, Remote, StagedFile, folders, is_plain_file_name, sha256_hex, write_file};

use crate::dataset::{DatasetManifest, Datasets};
use crate::error::{Error, io_error};

/// Bytes of rows that may wait in the spool of a dataset: 256 MiB.
const SPOOL_LIMIT: u64 = 256 << 20;
/// Pause between two attempts to send what waits.
const PAUSE: Duration = Duration::from_secs(5);
/// Objects that are taken into one version; the next one takes the rest.
const TAKEN_AT_ONCE: usize = 50_000;
/// Ids of taken objects that a manifest keeps after their deletion, for a write that arrives late.
const REMEMBERED: usize = 1000;
/// Largest object of rows in bytes: 1 GiB.
const OBJECT_LIMIT: u64 = 1 << 30;
/// Transfers at the same time.
const AT_ONCE: usize = 16;
const SPOOL: &str = "spool-";
const EXTENSION: &str = ".jsonl";

/// Rows of objects that the next version takes, as one file.
pub(super) struct StoredRows {
    pub path: PathBuf,
    /// Digest of the ids.
    pub id: String,
    /// Ids that the manifest of the version names.
    pub taken: Vec<String>,
    /// Ids of the objects.
    pub batches: Vec<String>,
}

/// Pushed rows of one dataset in an object store, with their spool.
#[derive(Debug, Clone)]
pub(super) struct StoreInbox {
    remote: Arc<Remote>,
    /// Folder of the spool.
    folder: PathBuf,
    /// `data/NAME/inbox/`
    prefix: String,
}

impl StoreInbox {
    /// Inbox of a dataset; `None` for a home in a folder.
    pub fn of(datasets: &Datasets, name: &str) -> Option<Self> {
        let remote = Arc::clone(datasets.remote.as_ref()?);
        let folder = datasets.root().join(name).join("inbox");
        Some(Self { remote, folder, prefix: format!("data/{name}/inbox/") })
    }

    /// Stores rows: as an object, or in the spool while the store is away.
    ///
    /// # Errors
    /// [`Error::SpoolFull`]; [`Error::Source`] for a store that refuses, or a disk that fails.
    pub fn put(&self, rows: &[u8]) -> Result<(), Error> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        if self.remote.try_create(&self.key(&id), rows)? {
            return Ok(());
        }
        let waiting: u64 = self.waiting()?.iter().filter_map(|path| Some(path.metadata().ok()?.len())).sum();
        if waiting + rows.len() as u64 > SPOOL_LIMIT {
            return Err(Error::SpoolFull { location: self.remote.url().to_owned(), mib: SPOOL_LIMIT >> 20 });
        }
        // Under the same name, since the store may have the object all the same.
        Ok(write_file(&self.folder.join(format!("{SPOOL}{id}{EXTENSION}")), rows)?)
    }

    /// Sends what waits in the spool, until the store does not answer.
    ///
    /// # Errors
    /// As [`Self::put`].
    pub fn flush(&self) -> Result<(), Error> {
        if self.waiting()?.is_empty() {
            return Ok(());
        }
        // An object that another process sent may be taken and deleted by now, and must not be sent again.
        let _lock = Lock::folder(&self.folder)?;
        for path in self.waiting()? {
            let rows = cupola_store::read_limited(&path, OBJECT_LIMIT)?;
            if !self.remote.try_create(&self.key(spooled(&path).unwrap_or_default()), &rows)? {
                return Ok(());
            }
            std::fs::remove_file(&path).map_err(io_error(&path))?;
        }
        Ok(())
    }

    /// Objects that `parent` does not have, as one file for its next version; `None` without any.
    ///
    /// # Errors
    /// [`Error::Superseded`] if another process takes them at this moment; [`Error::Source`].
    pub fn pending(&self, parent: &DatasetManifest) -> Result<Option<StoredRows>, Error> {
        self.flush()?;
        let known: BTreeSet<&str> = parent.taken.iter().map(String::as_str).collect();
        let listed = self.remote.list(&self.prefix)?;
        let ids = listed.iter().filter_map(|object| {
            object.key.strip_prefix(&self.prefix)?.strip_suffix(EXTENSION).filter(|id| is_plain_file_name(id))
        });
        let (old, mut new): (Vec<&str>, Vec<&str>) = ids.partition(|id| known.contains(id));
        // Their version was made by a process that was killed before it deleted them.
        let is_clean = self.delete(&old);
        if new.is_empty() {
            return Ok(None);
        }
        // The ids begin with the time.
        new.sort_unstable();
        new.truncate(TAKEN_AT_ONCE);
        let id = sha256_hex(new.join("\n").as_bytes())[..32].to_owned();
        let path = self.folder.join(format!("taken-{id}{EXTENSION}"));
        self.download(&new, &parent.name, &path)?;
        let batches: Vec<String> = new.into_iter().map(str::to_owned).collect();
        let forgotten = if is_clean { parent.taken.len().saturating_sub(REMEMBERED) } else { 0 };
        let taken = parent.taken[forgotten..].iter().chain(&batches).cloned().collect();
        Ok(Some(StoredRows { path, id, taken, batches }))
    }

    /// Deletes objects that a version has. Returns `false` after a warning if the store refuses.
    pub fn delete(&self, ids: &[impl AsRef<str> + Sync]) -> bool {
        let results = in_parallel(ids, |id| self.remote.delete(&self.key(id)));
        let Some(Err(error)) = results.into_iter().find(Result::is_err) else { return true };
        let address = self.remote.address(&self.prefix);
        let address = address.display();
        self.remote.warn(&format!(
            "pushed rows that a version has stay in {address}: {error}; allow s3:DeleteObject there"
        ));
        false
    }

    /// Downloads objects into one file, in their order.
    fn download(&self, ids: &[&str], name: &str, to: &Path) -> Result<(), Error> {
        let mut staged = StagedFile::new(to)?;
        for some in ids.chunks(AT_ONCE) {
            for rows in in_parallel(some, |id| self.remote.read(&self.key(id), OBJECT_LIMIT)) {
                let rows = rows?.ok_or_else(|| Error::Superseded { name: name.to_owned() })?;
                staged.file_mut().write_all(&rows).map_err(io_error(to))?;
            }
        }
        Ok(staged.commit()?)
    }

    /// Files of the spool, oldest first.
    fn waiting(&self) -> Result<Vec<PathBuf>, Error> {
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(io_error(&self.folder))?,
        };
        let mut paths: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| spooled(path).is_some());
        paths.sort();
        Ok(paths)
    }

    fn key(&self, id: &str) -> String {
        format!("{}{id}{EXTENSION}", self.prefix)
    }
}

/// Results of `each` for ids, in their order. Stops after a failure.
fn in_parallel<T: Send>(
    ids: &[impl AsRef<str> + Sync],
    each: impl Fn(&str) -> Result<T, cupola_store::Error> + Sync,
) -> Vec<Result<T, cupola_store::Error>> {
    let mut results = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        std::thread::scope(|scope| {
            let each = &each;
            let threads: Vec<_> = some.iter().map(|id| scope.spawn(move || each(id.as_ref()))).collect();
            results.extend(threads.into_iter().filter_map(|thread| thread.join().ok()));
        });
        if results.iter().any(Result::is_err) {
            break;
        }
    }
    results
}

/// Id of a file of the spool; `None` for another file.
fn spooled(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()?.strip_prefix(SPOOL)?.strip_suffix(EXTENSION)
}

/// Sends the spools of all datasets from a thread, while `alive` is.
pub(super) fn send_spools(datasets: Datasets, alive: Weak<()>) {
    let Some(remote) = datasets.remote.clone() else { return };
    std::thread::spawn(move || {
        while alive.upgrade().is_some() {
            for (name, _) in folders(&datasets.root()).unwrap_or_default() {
                if let Some(Err(error)) = StoreInbox::of(&datasets, &name).map(|inbox| inbox.flush()) {
                    remote.warn(&format!("pushed rows of {name} wait on this machine: {error}"));
                }
            }
            std::thread::sleep(PAUSE);
        }
    });
}

#[cfg(test)]
mod tests;
