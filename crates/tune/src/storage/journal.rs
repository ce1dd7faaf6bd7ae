//! A journal on disk: replayed as it grows, appended to under its lock.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::{StudyError, at};
use super::lock::JournalLock;
use super::operation::JournalOperation;
use super::state::JournalState;

/// Largest accepted line in bytes.
const LINE_LIMIT: u64 = 64 << 20;

/// A journal file with its replayed state.
#[derive(Debug)]
pub struct JournalStorage {
    path: PathBuf,
    /// Id of this process in its lines.
    worker: String,
    state: JournalState,
    /// Bytes that are replayed.
    offset: u64,
    /// Lines that are replayed.
    lines: usize,
}

impl JournalStorage {
    /// Opens a journal as `worker`, and replays it. The file and its folder are created.
    ///
    /// # Errors
    /// [`StudyError::Io`], [`StudyError::Damaged`] names the first line that is no operation.
    pub fn open(path: &Path, worker: &str) -> Result<Self, StudyError> {
        if path.is_dir() {
            return Err(StudyError::NotAJournal { path: path.to_owned() });
        }
        if let Some(folder) = path.parent() {
            cupola_store::create_folder(folder)?;
        }
        OpenOptions::new().create(true).append(true).open(path).map_err(at(path))?;
        Self::read_only(path, worker)
    }

    /// Opens a journal that exists, to look at it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read_only(path: &Path, worker: &str) -> Result<Self, StudyError> {
        let (path, worker) = (path.to_owned(), worker.to_owned());
        let mut storage = Self { path, worker, state: JournalState::default(), offset: 0, lines: 0 };
        storage.refresh()?;
        Ok(storage)
    }

    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Id of this process in its lines.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// State of what was replayed.
    pub fn state(&self) -> &JournalState {
        &self.state
    }

    /// Replays the lines that were appended since the last call. A line without an end is still being written.
    ///
    /// # Errors
    /// [`StudyError::Io`], [`StudyError::Damaged`].
    pub fn refresh(&mut self) -> Result<(), StudyError> {
        let mut file = File::open(&self.path).map_err(at(&self.path))?;
        let length = file.metadata().map_err(at(&self.path))?.len();
        if length < self.offset {
            return Err(self.damaged("the file is shorter than it was".to_owned()));
        }
        file.seek(SeekFrom::Start(self.offset)).map_err(at(&self.path))?;
        let mut reader = BufReader::new(file.take(length - self.offset));
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line).map_err(at(&self.path))?;
            if line.last() != Some(&b'\n') {
                if read as u64 == LINE_LIMIT {
                    return Err(self.damaged("the line is too long".to_owned()));
                }
                return Ok(());
            }
            let text = std::str::from_utf8(&line).map_err(|error| self.damaged(error.to_string()))?;
            let operation = JournalOperation::parse(text.trim()).map_err(|why| self.damaged(why.0))?;
            if let Some(missing) = self.state.missing(&operation) {
                return Err(self.damaged(missing));
            }
            self.state.apply(operation);
            self.offset += read as u64;
            self.lines += 1;
        }
    }

    /// Replays what is new and appends the operations that `decide` adds, while no other process can append. They are
    /// on disk when this returns.
    ///
    /// # Errors
    /// [`StudyError::Io`], [`StudyError::Damaged`], [`StudyError::Locked`]; then nothing is appended.
    pub fn transaction<T>(
        &mut self,
        decide: impl FnOnce(&JournalState, &mut Vec<JournalOperation>) -> T,
    ) -> Result<T, StudyError> {
        let _lock = JournalLock::acquire(&self.path)?;
        self.refresh()?;
        let mut operations = Vec::new();
        let decided = decide(&self.state, &mut operations);
        if !operations.is_empty() {
            let lines = operations.iter().map(|operation| operation.line(&self.worker) + "\n");
            self.append(lines.collect::<String>().as_bytes())?;
            self.refresh()?;
        }
        Ok(decided)
    }

    /// Appends lines behind the last complete one. The caller holds the lock and has replayed all complete lines, so
    /// that anything behind them is the rest of a write that a killed process left.
    fn append(&self, lines: &[u8]) -> Result<(), StudyError> {
        let mut file = OpenOptions::new().append(true).open(&self.path).map_err(at(&self.path))?;
        let write = |file: &mut File| {
            if file.metadata()?.len() > self.offset {
                file.set_len(self.offset)?;
            }
            file.write_all(lines)?;
            file.sync_data()
        };
        write(&mut file).map_err(|source| {
            // A second failure leaves a torn line, which the next append cuts off.
            let _ = file.set_len(self.offset);
            at(&self.path)(source)
        })
    }

    fn damaged(&self, why: String) -> StudyError {
        StudyError::Damaged { path: self.path.clone(), line: self.lines + 1, why }
    }
}
