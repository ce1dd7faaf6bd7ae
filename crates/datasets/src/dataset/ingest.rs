//! SourceRows that are pushed to a dataset: held against its newest version, then on disk for good before they
//! are answered for.
//!
//! They wait in `data/NAME/inbox` as JSON lines until `cupola data pull NAME` makes a version of them.
//! Requests that come while a write is under way are written together by whoever is next: one sync for
//! all of them (group commit; Gray and Reuter, "Transaction Processing", 9.4).

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use cupola_spec::{Data, Expectation, Severity, Source};
use serde_json::{Map, Value};

use super::{DatasetManifest, Datasets};
use crate::contract::Contract;
use crate::error::{Error, io_error};
use crate::load::LoadRequest;
use cupola_sources::NoProgress;

/// Takes rows in for the datasets of a home; shared by all threads of a server.
#[derive(Debug)]
pub struct IngestLog {
    datasets: Datasets,
    lines: Mutex<HashMap<String, Arc<DatasetLog>>>,
}

/// A row, or a dataset, that is not taken.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// There is no such dataset.
    #[error("{0}")]
    Unknown(Error),
    /// A row that is not as it has to be. Nothing of the request is kept.
    #[error("row {row}: {why}")]
    Row {
        /// Counts from 1.
        row: usize,
        /// The column, where it is about one.
        column: Option<String>,
        /// What is wrong.
        why: String,
    },
    /// The rows could not be written.
    #[error("{0}")]
    Failed(Arc<Error>),
}

impl IngestLog {
    /// For the datasets of a home folder.
    pub fn new(home: &Path) -> Self {
        Self { datasets: Datasets::new(home), lines: Mutex::default() }
    }

    /// Checks rows and writes them down; they are on disk when it returns. Blocks.
    ///
    /// # Errors
    /// [`IngestError`]; then none of them is kept.
    pub fn push(&self, name: &str, rows: &[Map<String, Value>]) -> Result<usize, IngestError> {
        let newest = self.datasets.versions(name).last().copied();
        let line = self.line(name, newest)?;
        line.check(rows)?;
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, row).map_err(|error| IngestError::Row {
                row: 1,
                column: None,
                why: error.to_string(),
            })?;
            text.push(b'\n');
        }
        line.append(text).map_err(IngestError::Failed)?;
        Ok(rows.len())
    }

    fn line(&self, name: &str, newest: Option<u64>) -> Result<Arc<DatasetLog>, IngestError> {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        match lines.get(name) {
            Some(line) if Some(line.version) == newest => Ok(Arc::clone(line)),
            _ => {
                let manifest = self.datasets.manifest(name, newest).map_err(IngestError::Unknown)?;
                let line = DatasetLog::new(&self.datasets, &manifest).map_err(IngestError::Unknown)?;
                let line = Arc::new(line);
                lines.insert(name.to_owned(), Arc::clone(&line));
                Ok(line)
            }
        }
    }
}

/// Where rows of one dataset are taken in.
#[derive(Debug)]
struct DatasetLog {
    version: u64,
    schema: SchemaRef,
    data: Data,
    expect: Vec<Expectation>,
    home: PathBuf,
    folder: PathBuf,
    queue: Mutex<WriteQueue>,
    written: Condvar,
}

/// What waits to be written.
#[derive(Debug, Default)]
struct WriteQueue {
    text: Vec<u8>,
    /// Number of the write that `text` will be.
    next: u64,
    /// Writes that have ended, and those that failed.
    done: u64,
    failed: HashMap<u64, (Arc<Error>, usize)>,
    writing: bool,
    waiting: usize,
}

impl DatasetLog {
    fn new(datasets: &Datasets, manifest: &DatasetManifest) -> Result<Self, Error> {
        if manifest.data.files.is_some() {
            let why =
                "its rows hold the contents of files, which cannot be pushed; add them as files".to_owned();
            return Err(Error::Dataset { name: manifest.name.clone(), why });
        }
        Ok(Self {
            version: manifest.version,
            schema: schema(manifest)?,
            data: Data::plain(Source::One(manifest.label()), &[]),
            expect: manifest.expect.iter().filter_map(on_a_value).collect(),
            home: datasets.home.clone(),
            folder: folder(datasets, &manifest.name),
            queue: Mutex::default(),
            written: Condvar::new(),
        })
    }

    /// Whether all rows have the dataset's columns and types, and meet what is expected of a value.
    fn check(&self, rows: &[Map<String, Value>]) -> Result<(), IngestError> {
        for (index, row) in rows.iter().enumerate() {
            if let Some(column) = row.keys().find(|column| self.schema.index_of(column).is_err()) {
                let near =
                    cupola_spec::nearest(column, self.schema.fields().iter().map(|f| f.name().as_str()));
                let near = near.map_or(String::new(), |near| format!(" (near it: {near})"));
                let why = format!("the dataset has no column `{column}`{near}");
                return Err(IngestError::Row { row: index + 1, column: Some(column.clone()), why });
            }
        }
        let batch = match decoded(&self.schema, rows) {
            Ok(batch) => batch,
            Err(why) => return Err(self.misfit(rows, why)),
        };
        let request = LoadRequest {
            source: &self.data.source,
            data: &self.data,
            expect: &self.expect,
            roots: &[],
            home: &self.home,
            progress: &NoProgress,
        };
        let mut contract = Contract::new(&request, &self.schema, None).map_err(IngestError::Unknown)?;
        contract.check(&batch).map_err(IngestError::Unknown)?;
        let Some(broken) = contract.finish().0.outcomes.into_iter().find(|outcome| !outcome.met) else {
            return Ok(());
        };
        // `row 3: 140 is out of range`
        let (row, why) = broken
            .detail
            .strip_prefix("row ")
            .and_then(|rest| rest.split_once(": "))
            .unwrap_or(("1", &broken.detail));
        let column = broken.what.split_once(": ").map(|(column, _)| column.to_owned());
        Err(IngestError::Row {
            row: row.parse().unwrap_or(1),
            column,
            why: format!("{}: {why}", broken.what),
        })
    }

    /// Which row, and which of its values, is of another type.
    fn misfit(&self, rows: &[Map<String, Value>], why: String) -> IngestError {
        for (index, row) in rows.iter().enumerate() {
            for (column, value) in row {
                let one = Map::from_iter([(column.clone(), value.clone())]);
                let Ok(field) = self.schema.field_with_name(column) else { continue };
                let alone = Arc::new(Schema::new(vec![field.clone()]));
                if decoded(&alone, &[one]).is_err() {
                    let why = format!("`{column}` is {}, and {value} is none", field.data_type());
                    return IngestError::Row { row: index + 1, column: Some(column.clone()), why };
                }
            }
        }
        IngestError::Row { row: 1, column: None, why }
    }

    /// Returns when the text is on disk, in one write with what else waits.
    fn append(&self, text: Vec<u8>) -> Result<(), Arc<Error>> {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.text.extend(text);
        queue.waiting += 1;
        let mine = queue.next;
        while queue.done <= mine {
            if queue.writing {
                queue = self.written.wait(queue).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let (number, all) = (queue.next, std::mem::take(&mut queue.text));
            let waiting = std::mem::take(&mut queue.waiting);
            (queue.writing, queue.next) = (true, number + 1);
            drop(queue);
            let written = write(&self.folder, &all);
            queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            if let Err(error) = written {
                queue.failed.insert(number, (Arc::new(error), waiting));
            }
            (queue.writing, queue.done) = (false, number + 1);
            self.written.notify_all();
        }
        let Some((error, waiting)) = queue.failed.get_mut(&mine) else { return Ok(()) };
        let error = Arc::clone(error);
        *waiting -= 1;
        if *waiting == 0 {
            queue.failed.remove(&mine);
        }
        Err(error)
    }
}

/// The conditions that one value by itself meets or breaks. Others are judged when a version is made.
fn on_a_value(expectation: &Expectation) -> Option<Expectation> {
    let kept = Expectation {
        severity: Severity::Fail,
        unique: false,
        foreign_key: None,
        freshness: None,
        rows: None,
        null_share: None,
        drift: None,
        ..expectation.clone()
    };
    (expectation.severity != Severity::Warn && kept.on_column()).then_some(kept)
}

/// The Arrow schema of a version.
pub(super) fn schema(manifest: &DatasetManifest) -> Result<SchemaRef, Error> {
    let fields = manifest.dataset.schema.iter().map(|(name, kind)| {
        let kind: DataType = kind.parse().map_err(|error| Error::Dataset {
            name: manifest.name.clone(),
            why: format!("column `{name}` is {kind}, which cannot be pushed ({error})"),
        })?;
        Ok(Field::new(name, kind, true))
    });
    Ok(Arc::new(Schema::new(fields.collect::<Result<Vec<_>, Error>>()?)))
}

/// JSON rows as a batch.
pub(super) fn decoded(schema: &SchemaRef, rows: &[Map<String, Value>]) -> Result<RecordBatch, String> {
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .map_err(|error| error.to_string())?;
    decoder.serialize(rows).map_err(|error| error.to_string())?;
    let batch = decoder.flush().map_err(|error| error.to_string())?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}

pub(super) fn folder(datasets: &Datasets, name: &str) -> PathBuf {
    datasets.root().join(name).join("inbox")
}

/// Adds lines to `rows.jsonl`. A line that a killed server left unfinished was never answered for: it goes.
fn write(folder: &Path, text: &[u8]) -> Result<(), Error> {
    std::fs::create_dir_all(folder).map_err(io_error(folder))?;
    let _lock = lock(folder)?;
    let path = folder.join("rows.jsonl");
    let existed = path.exists();
    let mut file =
        File::options().read(true).append(true).create(true).open(&path).map_err(io_error(&path))?;
    let end = whole_lines(&mut file).map_err(io_error(&path))?;
    let undo = |file: &File, error: std::io::Error| {
        let _ = file.set_len(end);
        io_error(&path)(error)
    };
    file.set_len(end).map_err(io_error(&path))?;
    if let Err(error) = file.write_all(text).and_then(|()| file.sync_data()) {
        return Err(undo(&file, error));
    }
    if !existed {
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io_error(folder))?;
    }
    Ok(())
}

/// Bytes up to the end of the last whole line.
fn whole_lines(file: &mut File) -> std::io::Result<u64> {
    let length = file.metadata()?.len();
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(1 << 16);
        let mut piece = vec![0; usize::try_from(end - start).unwrap_or_default()];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut piece)?;
        if let Some(at) = piece.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// SourceRows that were taken in, set aside so that none is added: made into a version, they go.
pub(super) struct PendingRows {
    pub path: PathBuf,
    /// Which ones: equal rows may be pushed again, so their content does not tell.
    pub id: String,
}

impl PendingRows {
    /// Those of a dataset, if there are any.
    pub fn of(datasets: &Datasets, name: &str) -> Result<Option<Self>, Error> {
        let folder = folder(datasets, name);
        if !folder.is_dir() {
            return Ok(None);
        }
        let _lock = lock(&folder)?;
        // What an earlier attempt set aside goes first.
        for entry in std::fs::read_dir(&folder).map_err(io_error(&folder))? {
            let path = entry.map_err(io_error(&folder))?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if let Some(id) = name.strip_prefix("taken-").and_then(|rest| rest.strip_suffix(".jsonl")) {
                return Ok(Some(Self { id: id.to_owned(), path }));
            }
        }
        let rows = folder.join("rows.jsonl");
        if !rows.exists() {
            return Ok(None);
        }
        let id = uuid::Uuid::now_v7().simple().to_string();
        let path = folder.join(format!("taken-{id}.jsonl"));
        std::fs::rename(&rows, &path).map_err(io_error(&path))?;
        Ok(Some(Self { path, id }))
    }

    /// A version holds them.
    pub fn done(self) -> Result<(), Error> {
        std::fs::remove_file(&self.path).map_err(io_error(&self.path))
    }
}

fn lock(folder: &Path) -> Result<File, Error> {
    let path = folder.join(".lock");
    let file =
        File::options().create(true).truncate(false).write(true).open(&path).map_err(io_error(&path))?;
    file.lock().map_err(io_error(&path))?;
    Ok(file)
}
