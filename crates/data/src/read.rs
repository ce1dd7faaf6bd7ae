//! A source as rows in memory, or opened to be read again and again.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use sha2::{Digest, Sha256};
use tokio::runtime::Runtime;

use crate::collect::{Collected, Request};
use crate::contents::Contents;
use crate::contract::{Contract, Report};
use crate::error::Error;
use crate::files::DataFile;
use crate::profile::Profile;
use crate::scan::Scan;
use crate::version::{DatasetVersion, FileVersion};

/// Rows in memory, in the order of the files.
#[derive(Debug, Clone)]
pub struct Table {
    /// Columns and types.
    pub schema: SchemaRef,
    /// The rows.
    pub batches: Vec<RecordBatch>,
    /// Where they came from.
    pub version: DatasetVersion,
    /// How they met what was expected.
    pub report: Report,
}

impl Table {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// A source whose files are here, of which no row has been read.
pub struct Collection {
    collected: Collected,
    runtime: Runtime,
}

impl Collection {
    pub(crate) fn new(collected: Collected, runtime: Runtime) -> Self {
        Self { collected, runtime }
    }

    /// Its files as they are now.
    pub fn files(&self) -> &[FileVersion] {
        &self.collected.versions
    }

    /// Files and what reads them.
    pub(crate) fn parts(self) -> (Collected, Runtime) {
        (self.collected, self.runtime)
    }
}

/// Fetches what is not here.
///
/// # Errors
/// As [`load`], for what is wrong with the files.
pub fn collect(request: &Request<'_>) -> Result<Collection, Error> {
    let runtime = runtime(&request.label())?;
    Ok(Collection::new(runtime.block_on(request.collect())?, runtime))
}

/// Collects and reads a source.
///
/// # Errors
/// Everything in [`Error`]; nothing is kept of a source that fails.
pub fn load(request: &Request<'_>) -> Result<Table, Error> {
    load_collected(request, collect(request)?)
}

/// Reads a source that has been collected.
///
/// # Errors
/// As [`load`].
pub fn load_collected(request: &Request<'_>, collection: Collection) -> Result<Table, Error> {
    let mut batches = Vec::new();
    let opened = Opened::of(request, collection, None, &mut |again, batch| {
        if again {
            batches.clear();
        }
        batches.extend(batch.cloned());
        Ok(())
    })?;
    Ok(Table { schema: opened.schema, batches, version: opened.version, report: opened.report })
}

/// Visits batches of the first reading; `None` and `true` where it begins again.
pub(crate) type First<'a> = &'a mut dyn FnMut(bool, Option<&RecordBatch>) -> Result<(), Error>;

/// Sees the schema, then each batch.
type Scanned<'a, E> = &'a mut dyn FnMut(&SchemaRef, Option<&RecordBatch>) -> Result<(), E>;

/// A source of which all rows have been read once: its types are right, its rows as expected.
#[derive(Debug)]
pub(crate) struct Opened {
    pub schema: SchemaRef,
    pub version: DatasetVersion,
    pub report: Report,
    pub files: Vec<DataFile>,
    pub versions: Vec<FileVersion>,
    /// How far a source that grows has been read.
    pub position: Option<String>,
    /// Which pushed rows are among its files.
    pub pushed: Option<String>,
    query: Option<String>,
    queried: bool,
    nulls: Vec<String>,
    label: String,
    careful: bool,
    contents: Option<Contents>,
    /// Rows that went to quarantine, in order.
    dropped: Vec<u64>,
    runtime: Runtime,
}

pub(crate) fn runtime(label: &str) -> Result<Runtime, Error> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Error::Engine { path: label.to_owned(), why: error.to_string() })
}

impl Opened {
    /// Reads what has been collected. `before` is what the rows are compared with where drift is expected to
    /// be small.
    pub fn of(
        request: &Request<'_>,
        collection: Collection,
        before: Option<&Profile>,
        first: First<'_>,
    ) -> Result<Self, Error> {
        let (Collected { files, versions, datasets, position, pushed, queried }, runtime) =
            collection.parts();
        let label = request.label();
        let contents =
            request.data.files.as_deref().map(|column| Contents::new(column, &files, request.roots));
        let mut opened = Self {
            schema: Arc::new(Schema::empty()),
            version: DatasetVersion::default(),
            report: Report::default(),
            files,
            versions,
            query: request.data.query.clone().filter(|_| !queried),
            position,
            pushed,
            queried,
            nulls: request.data.null.clone(),
            label,
            careful: false,
            contents,
            dropped: Vec::new(),
            runtime,
        };
        let rows = match opened.read_first(request, before, first) {
            // The guess of the types may have been too narrow: once more, with all rows and as texts first.
            Err(Error::Row { .. }) => {
                opened.careful = true;
                first(true, None)?;
                opened.read_first(request, before, first)?
            }
            other => other?,
        };
        let files = std::mem::take(&mut opened.versions);
        opened.version = version(request, files.clone(), &opened.schema, rows)?;
        opened.versions = files;
        opened.version.datasets = datasets;
        opened.report.keep(request.home, &opened.version.sha256)?;
        opened.report.judge()?;
        Ok(opened)
    }

    /// Reads all rows, holding them against the expectations; the number of those that are kept.
    fn read_first(
        &mut self,
        request: &Request<'_>,
        before: Option<&Profile>,
        first: First<'_>,
    ) -> Result<usize, Error> {
        let mut contract: Option<Contract> = None;
        let mut rows = 0;
        let (mut schema, mut seen) = (None, (Sha256::new(), 0));
        self.scan(&mut |found, batch| {
            if contract.is_none() {
                schema = Some(Arc::clone(found));
                contract = Some(Contract::new(request, found, before)?);
            }
            let (Some(contract), Some(batch)) = (&mut contract, batch) else { return Ok(()) };
            if let Some(contents) = &self.contents {
                contents.digest(batch, &mut seen);
            }
            let batch = contract.kept(batch)?;
            rows += batch.num_rows();
            first(false, Some(&batch))
        })?;
        self.schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
        if let Some(contract) = contract {
            (self.report, self.dropped) = contract.finish();
        }
        if let Some(contents) = &self.contents {
            self.versions.push(contents.version(seen));
        }
        Ok(rows)
    }

    /// Hands over all rows that are kept, from the first one on, in their order.
    pub fn each<E: From<Error>>(
        &self,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut before, mut dropped) = (0, self.dropped.iter().copied().peekable());
        self.scan(&mut |_, batch| {
            let Some(batch) = batch else { return Ok(()) };
            let rows = batch.num_rows() as u64;
            let mut bad = Vec::new();
            while let Some(row) = dropped.next_if(|row| *row < before + rows) {
                bad.push(usize::try_from(row - before).unwrap_or_default());
            }
            before += rows;
            if bad.is_empty() { visit(batch) } else { visit(&crate::contract::without(batch, &bad)?) }
        })
    }

    /// Hands over the schema, then all batches as they are.
    fn scan<E: From<Error>>(&self, visit: Scanned<'_, E>) -> Result<(), E> {
        let scan = Scan {
            files: &self.files,
            query: self.query.as_deref(),
            nulls: &self.nulls,
            label: &self.label,
            careful: self.careful,
            ours: self.queried,
        };
        let rows = scan.rows(&self.runtime)?;
        let filled = self.contents.as_ref().map(|contents| contents.schema(&rows.schema)).transpose()?;
        let shown = filled.as_ref().unwrap_or(&rows.schema);
        visit(shown, None)?;
        for batch in rows.batches {
            let batch = batch?;
            match &self.contents {
                Some(contents) => {
                    for part in contents.filled(&batch, shown) {
                        visit(shown, Some(&part?))?;
                    }
                }
                None => visit(shown, Some(&batch))?,
            }
        }
        Ok(())
    }
}

/// The version of a source with that many rows, of which there must be some.
fn version(
    request: &Request<'_>,
    files: Vec<FileVersion>,
    schema: &Schema,
    rows: usize,
) -> Result<DatasetVersion, Error> {
    let query = request.data.query.as_deref();
    if rows == 0 {
        let after = if query.is_some() { " after data.query" } else { "" };
        return Err(Error::Empty { path: request.label(), after });
    }
    let columns = schema.fields().iter().map(|f| (f.name().clone(), f.data_type().to_string())).collect();
    Ok(DatasetVersion::new(request.source.patterns(), query, files, columns, rows))
}

#[cfg(test)]
mod tests;
