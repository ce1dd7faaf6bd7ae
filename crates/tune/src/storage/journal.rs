//! A journal on disk: replayed as it grows, appended to under its lock.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::error::{StudyError, at};
use super::lock::JournalLock;
use super::operation::JournalOperation;
use super::place::JournalPlace;
use super::state::JournalState;
use super::table::{JournalTable, failed, table};

/// Largest accepted line in bytes.
const LINE_LIMIT: u64 = 64 << 20;

/// A journal file with its replayed state.
#[derive(Debug)]
pub struct JournalStorage {
    /// The file, or the address of the database for messages.
    path: PathBuf,
    /// `None` for a file of lines.
    table: Option<Box<dyn JournalTable>>,
    /// Id of this process in its lines.
    worker: String,
    state: JournalState,
    /// Bytes that are replayed.
    offset: u64,
    /// Lines that are replayed.
    lines: usize,
}

impl JournalStorage {
    /// Opens a journal as `worker`, and replays it. A file and its folder are created, as is the table of a database;
    /// the folder of an `SQLite` file must exist.
    ///
    /// # Errors
    /// [`StudyError::Io`], [`StudyError::Storage`], [`StudyError::NoFolder`], [`StudyError::Database`];
    /// [`StudyError::Damaged`] names the first line that is no operation.
    pub fn open(place: impl Into<JournalPlace>, worker: &str) -> Result<Self, StudyError> {
        let place = place.into();
        if let Some(path) = place.file() {
            if path.is_dir() {
                return Err(StudyError::NotAJournal { path: path.to_owned() });
            }
            if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
                match place {
                    // A user has named this folder; a new one may be a slip of the pen.
                    JournalPlace::Sqlite { .. } if !folder.is_dir() => {
                        return Err(StudyError::NoFolder { folder: folder.to_owned() });
                    }
                    JournalPlace::Sqlite { .. } => {}
                    _ => cupola_store::create_folder(folder)?,
                }
            }
            let opened = OpenOptions::new().create(true).append(true).open(path);
            opened.map_err(|source| unusable(&place, path, source))?;
        }
        Self::read_only(place, worker)
    }

    /// Opens a journal that exists, to look at it.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn read_only(place: impl Into<JournalPlace>, worker: &str) -> Result<Self, StudyError> {
        let place = place.into();
        if let JournalPlace::Sqlite { path, .. } = &place {
            // Opening a database that does not exist creates it.
            path.metadata().map_err(|source| unusable(&place, path, source))?;
        }
        let mut storage = Self {
            path: place.shown(),
            table: table(&place)?,
            worker: worker.to_owned(),
            state: JournalState::default(),
            offset: 0,
            lines: 0,
        };
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
        if let Some(table) = &mut self.table {
            let lines = table.lines_after(self.lines).map_err(failed(&self.path))?;
            return lines.iter().try_for_each(|line| self.replay(line));
        }
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
            self.replay(text)?;
            self.offset += read as u64;
        }
    }

    fn replay(&mut self, line: &str) -> Result<(), StudyError> {
        let operation = JournalOperation::parse(line.trim()).map_err(|why| self.damaged(why.0))?;
        if let Some(missing) = self.state.missing(&operation) {
            return Err(self.damaged(missing));
        }
        self.state.apply(operation);
        self.lines += 1;
        Ok(())
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
        if let Some(table) = self.table.take() {
            return self.transaction_of_table(table, decide);
        }
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

    fn transaction_of_table<T>(
        &mut self,
        mut table: Box<dyn JournalTable>,
        decide: impl FnOnce(&JournalState, &mut Vec<JournalOperation>) -> T,
    ) -> Result<T, StudyError> {
        let (known, failed) = (self.lines, failed(&self.path));
        let (mut decide, mut decided, mut appended) = (Some(decide), None, Vec::new());
        let result = table.append(known, &mut |new| {
            new.iter().try_for_each(|line| self.replay(line))?;
            let mut operations = Vec::new();
            decided = decide.take().map(|decide| decide(&self.state, &mut operations));
            appended = operations.iter().map(|operation| operation.line(&self.worker)).collect();
            Ok((self.lines, appended.clone()))
        });
        self.table = Some(table);
        result.map_err(failed)??;
        appended.iter().try_for_each(|line| self.replay(line))?;
        decided.ok_or_else(|| self.damaged("the database did not ask for the operations".to_owned()))
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

/// Error of the file of a place. A database file was named by the user, and its remedy is another file, not another home.
fn unusable(place: &JournalPlace, path: &Path, source: std::io::Error) -> StudyError {
    match place {
        JournalPlace::Sqlite { .. } => StudyError::Storage { path: path.to_owned(), source },
        _ => at(path)(source),
    }
}
