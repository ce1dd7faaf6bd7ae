//! Log of rows that are pushed to a dataset: checked against its newest version and synced to disk before the
//! push is acknowledged.
//!
//! Rows are kept in `data/NAME/inbox` as JSON lines until `cupola data pull NAME` makes a version of them.
//! Requests that arrive during a write are written together afterwards, with one sync (group commit; Gray and
//! Reuter, "Transaction Processing", 9.4).

mod files;
mod pending;
mod store;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, PoisonError};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::json::ReaderBuilder;
use arrow::record_batch::RecordBatch;
use cupola_sources::{NoProgress, SourceBatch, TextColumns};
use cupola_spec::{Data, Expectation, Severity, Source};
use serde_json::{Map, Value};

pub(super) use self::pending::PendingRows;

use self::store::StoreInbox;
use super::{DatasetManifest, Datasets};
use crate::contract::Contract;
use crate::error::Error;
use crate::load::LoadRequest;

/// Most characters of a value that a message shows.
const SHOWN_CHARACTERS: usize = 80;

/// Log of pushed rows of all datasets of a home; shared by the threads of a server.
#[derive(Debug)]
pub struct IngestLog {
    datasets: Datasets,
    lines: Mutex<HashMap<String, Arc<DatasetLog>>>,
    /// Ends the thread that sends what waits for an object store.
    _alive: Arc<()>,
}

/// Rejected push.
#[derive(Debug, thiserror::Error)]
pub enum IngestError {
    /// Unknown dataset, or one that rows cannot be pushed to.
    #[error("{0}")]
    Unknown(Error),
    /// Invalid row. No row of the request is stored.
    #[error("row {row}: {why}")]
    Row {
        /// Version number, from 1.
        row: usize,
        /// Column with the error; `None` if it is about the whole row.
        column: Option<String>,
        /// Reason.
        why: String,
    },
    /// Rows that could not be written.
    #[error("{0}")]
    Failed(Arc<Error>),
}

impl IngestError {
    /// Classifies an error of finding a dataset: one that the system or a damaged file causes says nothing about
    /// whether the dataset exists.
    fn of(error: Error) -> Self {
        match error {
            Error::Dataset { .. } => Self::Unknown(error),
            other => Self::Failed(Arc::new(other)),
        }
    }
}

impl IngestLog {
    /// Log for the datasets of a home folder. Lines that a killed server left unfinished are removed.
    pub fn new(home: &Path) -> Self {
        let datasets = Datasets::new(home);
        let alive = Arc::new(());
        store::send_spools(datasets.clone(), Arc::downgrade(&alive));
        for name in datasets.names() {
            // The next push tries again and reports what fails.
            let _ = files::repair(&files::folder(&datasets, &name));
        }
        Self { datasets, lines: Mutex::default(), _alive: alive }
    }

    /// Checks and writes rows; blocks until they are synced to disk, or in the object store of the home. Returns their
    /// number.
    ///
    /// # Errors
    /// [`IngestError`]; then none of them is kept.
    pub fn push(&self, name: &str, rows: &[Map<String, Value>]) -> Result<usize, IngestError> {
        if self.datasets.remote.is_some() && self.datasets.encrypts() {
            let why = "its files are encrypted, and pushed rows would lie in the object store as they are; push them to a server with a home in a folder";
            let refused = Error::Dataset { name: name.to_owned(), why: why.to_owned() };
            return Err(IngestError::Unknown(refused));
        }
        let newest = self.datasets.found_versions(name).map_err(IngestError::of)?.last().copied();
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
                let manifest = self.datasets.manifest(name, newest).map_err(IngestError::of)?;
                let line = DatasetLog::new(&self.datasets, &manifest).map_err(IngestError::of)?;
                let line = Arc::new(line);
                lines.insert(name.to_owned(), Arc::clone(&line));
                Ok(line)
            }
        }
    }
}

/// Log of one dataset, for its newest version.
#[derive(Debug)]
struct DatasetLog {
    version: u64,
    schema: SchemaRef,
    data: Data,
    expect: Vec<Expectation>,
    home: PathBuf,
    folder: PathBuf,
    /// Place of the rows in the object store of the home, if it has one.
    inbox: Option<StoreInbox>,
    queue: Mutex<WriteQueue>,
    written: Condvar,
}

/// Rows that wait to be written.
#[derive(Debug, Default)]
struct WriteQueue {
    text: Vec<u8>,
    /// Number of the write that will contain `text`.
    next: u64,
    /// Number of completed writes; failed ones with the number of requests that wait for them.
    done: u64,
    failed: HashMap<u64, (Arc<Error>, usize)>,
    writing: bool,
    waiting: usize,
}

impl DatasetLog {
    fn new(datasets: &Datasets, manifest: &DatasetManifest) -> Result<Self, Error> {
        if manifest.data.files.is_some() {
            let why = "rows with the contents of files cannot be pushed; add them as files".to_owned();
            return Err(Error::Dataset { name: manifest.name.clone(), why });
        }
        Ok(Self {
            version: manifest.version,
            schema: schema(manifest)?,
            data: Data::plain(Source::One(manifest.label()), &[]),
            expect: manifest.expect.iter().filter_map(on_a_value).collect(),
            home: datasets.home.clone(),
            folder: files::folder(datasets, &manifest.name),
            inbox: StoreInbox::of(datasets, &manifest.name),
            queue: Mutex::default(),
            written: Condvar::new(),
        })
    }

    /// Checks columns, types and the expectations on single values.
    fn check(&self, rows: &[Map<String, Value>]) -> Result<(), IngestError> {
        for (index, row) in rows.iter().enumerate() {
            if let Some(column) = row.keys().find(|column| self.schema.index_of(column).is_err()) {
                let known = self.schema.fields().iter().map(|field| field.name().as_str());
                let hint = cupola_spec::did_you_mean(column, known);
                let why = format!("the dataset has no column `{column}`{hint}");
                return Err(IngestError::Row { row: index + 1, column: Some(column.clone()), why });
            }
            if let Some(error) = self.lacking(index, row) {
                return Err(error);
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
            texts: TextColumns::None,
            roots: &[],
            home: &self.home,
            progress: &NoProgress,
        };
        let mut contract =
            Contract::new(request.expect, &|source| request.load_reference(source), &self.schema, None)
                .map_err(IngestError::of)?;
        let batch = SourceBatch { rows: batch, origin: None, rejected: Vec::new() };
        contract.check(&batch).map_err(IngestError::of)?;
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

    /// Error of a row without some of the columns, which names all of them; `None` for a row with every column.
    fn lacking(&self, index: usize, row: &Map<String, Value>) -> Option<IngestError> {
        let names = self.schema.fields().iter().map(|field| field.name().as_str());
        let missing: Vec<&str> = names.filter(|name| !row.contains_key(*name)).collect();
        let first = (*missing.first()?).to_owned();
        let columns = if missing.len() == 1 { "the column" } else { "the columns" };
        let is = if missing.len() == 1 { "is" } else { "are" };
        let why = format!("{columns} `{}` {is} missing; send null for a missing value", missing.join("`, `"));
        Some(IngestError::Row { row: index + 1, column: Some(first), why })
    }

    /// Finds the value that has the wrong type.
    fn misfit(&self, rows: &[Map<String, Value>], why: String) -> IngestError {
        let index = first_misfit(&self.schema, rows);
        for (column, value) in rows.get(index).into_iter().flatten() {
            let one = Map::from_iter([(column.clone(), value.clone())]);
            let Ok(field) = self.schema.field_with_name(column) else { continue };
            let alone = Arc::new(Schema::new(vec![field.clone()]));
            if decoded(&alone, &[one]).is_err() {
                let found: String = value.to_string().chars().take(SHOWN_CHARACTERS).collect();
                let why = format!("`{column}`: expected {}, found {found}", field.data_type());
                return IngestError::Row { row: index + 1, column: Some(column.clone()), why };
            }
        }
        IngestError::Row { row: index + 1, column: None, why }
    }

    /// Appends lines and blocks until they are synced, together with the lines of other threads.
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
            let written = match &self.inbox {
                Some(inbox) => inbox.put(&all),
                None => files::append(&self.folder, &all),
            };
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

/// Index of the first row that does not decode: halves of a batch are decoded, so that many rows cost little more than
/// one pass over them.
fn first_misfit(schema: &SchemaRef, rows: &[Map<String, Value>]) -> usize {
    let (mut start, mut end) = (0, rows.len());
    while end - start > 1 {
        let middle = start + (end - start) / 2;
        if decoded(schema, &rows[start..middle]).is_err() {
            end = middle;
        } else {
            start = middle;
        }
    }
    start
}

/// Conditions on a single value. The others are checked when a version is made.
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

/// Arrow schema of a version.
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

/// Converts JSON rows to a batch.
pub(super) fn decoded(schema: &SchemaRef, rows: &[Map<String, Value>]) -> Result<RecordBatch, String> {
    let mut decoder = ReaderBuilder::new(Arc::clone(schema))
        .with_batch_size(rows.len().max(1))
        .build_decoder()
        .map_err(|error| error.to_string())?;
    decoder.serialize(rows).map_err(|error| error.to_string())?;
    let batch = decoder.flush().map_err(|error| error.to_string())?;
    Ok(batch.unwrap_or_else(|| RecordBatch::new_empty(Arc::clone(schema))))
}
