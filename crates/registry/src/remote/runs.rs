//! Runs of a home in an object store: a run is uploaded when it ends, without its checkpoints.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use cupola_store::{Remote, is_plain_file_name, write_file};

use crate::error::{Error, io};
use crate::home::Home;
use crate::run::{RECORD, RunFolder, Status};

/// Largest file of a run that is uploaded, in bytes.
const FILE_LIMIT: u64 = 256 << 20;
/// File of a run that was trained in this folder: its lock.
const OWN: &str = ".lock";
const CONFIG: &str = "config.toml";

impl Home {
    /// Copies the records and configs of all runs that the cache lacks, and uploads ended runs of this machine that the
    /// store lacks.
    pub(crate) fn refresh_runs(&self) -> Result<(), Error> {
        let Some(remote) = self.remote() else { return Ok(()) };
        let Some(found) = remote.listing("runs/") else { return Ok(()) };
        let keys: BTreeSet<String> = found.into_iter().map(|object| object.key).collect();
        let ids =
            keys.iter().filter_map(|key| key.strip_prefix("runs/")?.strip_suffix(RECORD)?.strip_suffix('/'));
        let ids: Vec<&str> = ids.filter(|id| is_plain_file_name(id)).collect();
        self.copy_again(remote, &ids)?;
        // The record comes last, so that a listed run has its config.
        let key = |file| ids.iter().map(move |id| format!("runs/{id}/{file}"));
        remote.copy_missing(key(CONFIG).filter(|key| keys.contains(key)))?;
        remote.copy_missing(key(RECORD))?;
        for (id, folder) in RunFolder::folders(self)? {
            let ended = || folder.own_record().is_some_and(|record| record.status.is_end());
            if !keys.contains(&format!("runs/{id}/{RECORD}")) && ended() {
                folder.share();
            }
        }
        Ok(())
    }

    /// Copies the records of runs that had not finished when they were copied, and drops the other files of those that went
    /// on since.
    fn copy_again(&self, remote: &Remote, ids: &[&str]) -> Result<(), Error> {
        let unfinished = |id: &&&str| {
            let folder = RunFolder::at(self, id);
            let record = folder.own_record().filter(|_| !folder.path().join(OWN).exists());
            record.is_some_and(|record| record.status != Status::Finished)
        };
        let keys: Vec<String> =
            ids.iter().filter(unfinished).map(|id| format!("runs/{id}/{RECORD}")).collect();
        remote.read_all(&keys, |key, bytes| {
            let path = self.root().join(key);
            if fs::read(&path).is_ok_and(|known| known == bytes) {
                return Ok(());
            }
            for entry in fs::read_dir(path.parent().unwrap_or(&path)).into_iter().flatten().flatten() {
                let kept = [RECORD, CONFIG].iter().any(|name| entry.file_name() == *name);
                if !kept {
                    let _ = fs::remove_file(entry.path());
                }
            }
            Ok(write_file(&path, &bytes)?)
        })
    }
}

impl Status {
    /// `true` unless the run may be training.
    pub(crate) fn is_end(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed | Self::Finished)
    }
}

impl RunFolder {
    /// Copies the other files of this run from the object store of its home, if the cache lacks them.
    pub(crate) fn fetch(&self) -> Result<(), Error> {
        let Some((remote, key)) = Remote::containing(self.path()) else { return Ok(()) };
        if self.path().join(OWN).exists() {
            return Ok(());
        }
        let found = remote.listing(&format!("{key}/")).unwrap_or_default();
        let limited = found.into_iter().filter(|object| object.bytes <= FILE_LIMIT);
        Ok(remote.copy_missing(limited.map(|object| object.key))?)
    }

    /// Uploads the files of a run to the object store of its home, if it has one: the record last, since it makes the run
    /// visible. A failure is a warning; the next listing of runs tries again.
    pub(crate) fn share(&self) {
        let Some((remote, key)) = Remote::containing(self.path()) else { return };
        if let Err(error) = self.upload(&remote, &key) {
            remote.warn(&format!("the run is not in the store yet: {error}; `cupola runs list` tries again"));
        }
    }

    fn upload(&self, remote: &Remote, key: &str) -> Result<(), Error> {
        let mut files = Vec::new();
        for entry in fs::read_dir(self.path()).map_err(io(self.path()))?.flatten() {
            let Ok(name) = entry.file_name().into_string() else { continue };
            let small = entry.metadata().is_ok_and(|about| about.is_file() && about.len() <= FILE_LIMIT);
            if small && is_plain_file_name(&name) && name != RECORD {
                files.push(name);
            }
        }
        files.sort();
        let read = |path: &Path| fs::read(path).map_err(io(path));
        for name in files.iter().map(String::as_str).chain([RECORD]) {
            remote.put(&format!("{key}/{name}"), &read(&self.path().join(name))?)?;
        }
        Ok(())
    }
}
