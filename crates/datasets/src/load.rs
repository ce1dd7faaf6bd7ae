//! Loading of a source: collected, read, checked against its expectations.

mod sample;
mod version;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow::record_batch::RecordBatch;
use cupola_sources::{
    Collected, ContentsDigest, DataFile, DatasetResolver, Error as SourceError, FileContents, FileFormat,
    FileVersion, LineFinder, ListedFiles, ProgressSink, RowOrigin, Scan, SourceBatch, SourceNote,
    SourceRequest, TextColumns, TextFormat, io_runtime,
};
use cupola_spec::{Data, Expectation, Source};
use cupola_store::DatasetVersion;
use tokio::runtime::Runtime;

pub(crate) use self::version::reading;

use self::version::{previous_profile, version};
use crate::contract::{Contract, ContractReport};
use crate::dataset::Datasets;
use crate::error::Error;
use crate::profile::Profile;

pub use self::sample::{Sample, sample};

/// Source to load.
#[derive(Clone, Copy)]
pub struct LoadRequest<'a> {
    /// Locations: those of `data`, or its test source.
    pub source: &'a Source,
    /// Settings of collection and reading.
    pub data: &'a Data,
    /// Conditions on the rows.
    pub expect: &'a [Expectation],
    /// Columns of CSV that are read as the exact text.
    pub texts: TextColumns<'a>,
    /// Folders that relative paths are resolved against, in turn.
    pub roots: &'a [PathBuf],
    /// Home folder.
    pub home: &'a Path,
    /// Receiver of progress reports.
    pub progress: &'a dyn ProgressSink,
}

impl LoadRequest<'_> {
    /// Locations as messages show them.
    pub(crate) fn label(&self) -> String {
        self.source.patterns().join(", ")
    }

    /// Loads another source with the same settings, for a foreign key.
    pub(crate) fn load_reference(&self, source: &str) -> Result<(SchemaRef, Vec<RecordBatch>), Error> {
        let data = self.data.with_same_format(Source::One(source.to_owned()));
        // A thread of its own, since the caller may be inside of a Tokio runtime.
        let table = std::thread::scope(|scope| {
            let other = LoadRequest {
                source: &data.source,
                data: &data,
                expect: &[],
                texts: TextColumns::None,
                ..*self
            };
            scope.spawn(move || load(&other)).join()
        });
        let table = table.map_err(|_| SourceError::Engine {
            path: source.to_owned(),
            why: "reading it failed".into(),
        })??;
        Ok((table.schema, table.batches))
    }

    /// Fetches what is not on this machine; only rows beyond `watermark` if that is given.
    pub(crate) async fn collect_after(
        &self,
        resolver: &dyn DatasetResolver,
        watermark: Option<&str>,
    ) -> Result<Collected, SourceError> {
        let request = SourceRequest {
            source: self.source,
            data: self.data,
            roots: self.roots,
            home: self.home,
            progress: self.progress,
            resolver,
        };
        request.collect_after(watermark).await
    }
}

/// Rows in memory, in the order of the files.
#[derive(Debug, Clone)]
pub struct Table {
    /// Columns and types.
    pub schema: SchemaRef,
    /// Rows.
    pub batches: Vec<RecordBatch>,
    /// Identity of the data.
    pub version: DatasetVersion,
    /// Outcome of the expectations.
    pub report: ContractReport,
    /// Origin of each row in the files.
    pub origin: RowOrigin,
    /// Decisions of the reader that its user should know of.
    pub notes: Vec<SourceNote>,
}

impl Table {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Pushed rows among the files of a collection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushedRows {
    /// Unique id.
    pub id: String,
    /// Ids of objects that the new version and those before have taken; empty for a home in a folder.
    pub taken: Vec<String>,
}

/// Collected source of which no row has been read.
pub struct Collection {
    collected: Collected,
    /// Pushed rows among the files.
    pushed: Option<PushedRows>,
    runtime: Runtime,
}

impl Collection {
    pub(crate) fn new(collected: Collected, pushed: Option<PushedRows>, runtime: Runtime) -> Self {
        Self { collected, pushed, runtime }
    }

    /// Pushed rows among the files.
    pub(crate) fn pushed(&self) -> Option<&PushedRows> {
        self.pushed.as_ref()
    }

    /// Format of the files; `None` without any.
    pub(crate) fn format(&self) -> Option<FileFormat> {
        self.collected.files.first().map(|file| file.format)
    }

    /// Digests of the files.
    pub fn files(&self) -> &[FileVersion] {
        &self.collected.versions
    }
}

/// Collects a source: fetches what is not on this machine and hashes all files.
///
/// # Errors
/// As [`load`], for errors of the files.
pub fn collect(request: &LoadRequest<'_>) -> Result<Collection, Error> {
    let runtime = io_runtime(&request.label())?;
    let datasets = Datasets::new(request.home);
    let collected = runtime.block_on(request.collect_after(&datasets, None))?;
    Ok(Collection::new(collected, None, runtime))
}

/// Collects and reads a source.
///
/// # Errors
/// Everything in [`Error`]; nothing is kept of a source that fails.
pub fn load(request: &LoadRequest<'_>) -> Result<Table, Error> {
    load_collected(request, collect(request)?)
}

/// Reads a collected source.
///
/// # Errors
/// As [`load`].
pub fn load_collected(request: &LoadRequest<'_>, collection: Collection) -> Result<Table, Error> {
    let mut batches = Vec::new();
    let checked = CheckedSource::of(request, collection, None, &mut |event| {
        match event {
            FirstRead::Restart => batches.clear(),
            FirstRead::Batch(batch) => batches.push(batch.clone()),
        }
        Ok(())
    })?;
    Ok(Table {
        schema: checked.schema,
        batches,
        version: checked.version,
        report: checked.report,
        origin: checked.origin,
        notes: checked.notes,
    })
}

/// Event of the first pass over a source.
pub(crate) enum FirstRead<'a> {
    /// Batch without quarantined rows.
    Batch(&'a RecordBatch),
    /// Start of another pass: the inferred types were too narrow.
    Restart,
}

/// Visitor of the first pass.
pub(crate) type FirstVisitor<'a> = &'a mut dyn FnMut(FirstRead<'_>) -> Result<(), Error>;

/// Visitor that receives the schema alone, then with each batch.
type ScanVisitor<'a, E> = &'a mut dyn FnMut(&SchemaRef, Option<&SourceBatch>) -> Result<(), E>;

/// Columns that are read as the exact text, by name.
#[derive(Debug)]
enum TextNames {
    None,
    Matching { patterns: Vec<String>, except: Vec<String> },
    All,
}

impl TextNames {
    fn of(columns: TextColumns<'_>) -> Self {
        match columns {
            TextColumns::None => Self::None,
            TextColumns::Matching { patterns, except } => {
                Self::Matching { patterns: patterns.to_vec(), except: except.to_vec() }
            }
            TextColumns::All => Self::All,
        }
    }

    fn columns(&self) -> TextColumns<'_> {
        match self {
            Self::None => TextColumns::None,
            Self::Matching { patterns, except } => TextColumns::Matching { patterns, except },
            Self::All => TextColumns::All,
        }
    }
}

/// Source of which every row has been read and checked once.
#[derive(Debug)]
pub(crate) struct CheckedSource {
    pub schema: SchemaRef,
    pub version: DatasetVersion,
    pub report: ContractReport,
    /// Origin of the rows that are not quarantined.
    pub origin: RowOrigin,
    pub notes: Vec<SourceNote>,
    pub files: Vec<DataFile>,
    pub versions: Vec<FileVersion>,
    /// Position after the last row of a source that grows.
    pub position: Option<String>,
    /// Pushed rows among the files.
    pub pushed: Option<PushedRows>,
    /// Settings of reading.
    data: Data,
    queried: bool,
    texts: TextNames,
    label: String,
    infer_from_all: bool,
    contents: Option<FileContents>,
    /// Quarantined rows, in order.
    dropped: Vec<u64>,
    runtime: Runtime,
}

impl CheckedSource {
    /// Reads a collected source. Expectations of small drift compare with the profile `before`.
    pub fn of(
        request: &LoadRequest<'_>,
        collection: Collection,
        before: Option<&Profile>,
        visit: FirstVisitor<'_>,
    ) -> Result<Self, Error> {
        let Collection { collected, pushed, runtime } = collection;
        let Collected { files, versions, datasets, position, downloaded, queried, notes, .. } = collected;
        let contents = request.data.files.as_deref().map(|column| {
            let (downloaded, allowed) = (downloaded.as_deref(), request.data.allow_outside.as_slice());
            FileContents::new(&ListedFiles { column, files: &files, downloaded, allowed }, request.roots)
        });
        let mut checked = Self {
            schema: Arc::new(Schema::empty()),
            version: DatasetVersion::default(),
            report: ContractReport::default(),
            origin: RowOrigin::default(),
            notes: Vec::new(),
            files,
            versions,
            position,
            pushed,
            data: request.data.clone(),
            queried,
            texts: TextNames::of(request.texts),
            label: request.label(),
            infer_from_all: false,
            contents,
            dropped: Vec::new(),
            runtime,
        };
        let own = previous_profile(request, before, &datasets)?;
        let before = before.or(own.as_ref());
        let rows = match checked.read_first(request, before, visit) {
            // Types and encodings inferred from the first rows may be wrong: once more, with those of all rows.
            Err(Error::Source(error)) if error.is_of_a_guess() => {
                checked.infer_from_all = true;
                visit(FirstRead::Restart)?;
                checked.read_first(request, before, visit)
            }
            other => other,
        };
        let rows = rows.map_err(|error| checked.with_line(error))?;
        checked.notes.splice(0..0, notes);
        checked.version = version(request, checked.versions.clone(), &checked.schema, rows)?;
        if !checked.dropped.is_empty() {
            let rows: Vec<String> = checked.dropped.iter().map(u64::to_string).collect();
            checked.version = checked.version.distinguished_by(&rows.join(","));
        }
        checked.version.datasets = datasets;
        checked.report.write_quarantine(request.home, &checked.version.sha256)?;
        checked.report.require_met()?;
        Ok(checked)
    }

    /// Reads and checks all rows; returns the number of rows that are not quarantined.
    fn read_first(
        &mut self,
        request: &LoadRequest<'_>,
        before: Option<&Profile>,
        visit: FirstVisitor<'_>,
    ) -> Result<usize, Error> {
        let mut contract: Option<Contract> = None;
        let mut rows = 0;
        let names: Vec<String> = self.files.iter().map(|file| file.name.clone()).collect();
        let mut origin = RowOrigin::new(names.clone()).with_lines(self.lines());
        let (mut schema, mut digest) = (None, ContentsDigest::default());
        let notes = self.scan(&mut |found, batch| {
            if contract.is_none() {
                schema = Some(Arc::clone(found));
                let reference = |source: &str| request.load_reference(source);
                let found = Contract::new(request.expect, &reference, found, before)?;
                let found = found.with_files(names.clone()).with_lines(self.lines());
                contract = Some(found.with_decimal(self.data.decimal));
            }
            let (Some(contract), Some(batch)) = (&mut contract, batch) else { return Ok(()) };
            if let Some(contents) = &self.contents {
                contents.update_digest(&batch.rows, &mut digest);
            }
            let kept = contract.check(batch)?;
            origin.push(batch.origin.as_ref(), batch.rows.num_rows(), &kept.dropped);
            rows += kept.rows.num_rows();
            visit(FirstRead::Batch(&kept.rows))
        })?;
        (self.origin, self.notes) = (origin, notes);
        self.schema = schema.unwrap_or_else(|| Arc::new(Schema::empty()));
        if let Some(contract) = contract {
            (self.report, self.dropped) = contract.finish();
        }
        if let Some(contents) = &self.contents {
            self.versions.push(contents.version(digest));
        }
        Ok(rows)
    }

    /// Finder of the lines of rows.
    fn lines(&self) -> LineFinder {
        LineFinder::new(&self.files, &self.data, self.infer_from_all)
    }

    /// The error with the line of the row that it is about.
    fn with_line(&self, error: Error) -> Error {
        let Error::Source(error) = error else { return error };
        Error::Source(error.with_line(|name, row| {
            let mut files = self.files.iter();
            self.lines().line(files.position(|file| file.name == name)?, row)
        }))
    }

    /// Visits all rows that are not quarantined, in order.
    pub fn each<E: From<Error>>(
        &self,
        visit: &mut dyn FnMut(&RecordBatch) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut before, mut dropped) = (0, self.dropped.iter().copied().peekable());
        self.scan(&mut |_, batch| {
            let Some(batch) = batch.map(|batch| &batch.rows) else { return Ok(()) };
            let rows = batch.num_rows() as u64;
            let mut bad = Vec::new();
            while let Some(row) = dropped.next_if(|row| *row < before + rows) {
                bad.push(usize::try_from(row - before).unwrap_or_default());
            }
            before += rows;
            if bad.is_empty() { visit(batch) } else { visit(&crate::contract::without(batch, &bad)?) }
        })?;
        Ok(())
    }

    /// Visits all rows as they are read; returns the decisions of the reader.
    fn scan<E: From<Error>>(&self, visit: ScanVisitor<'_, E>) -> Result<Vec<SourceNote>, E> {
        let scan = Scan {
            files: &self.files,
            query: self.data.query.as_deref().filter(|_| !self.queried),
            nulls: &self.data.null,
            texts: self.texts.columns(),
            format: TextFormat::of(&self.data),
            label: &self.label,
            infer_from_all: self.infer_from_all,
            keep_text_types: self.queried,
        };
        let rows = scan.rows(&self.runtime).map_err(Error::from)?;
        let filled = self.contents.as_ref().map(|contents| contents.schema(&rows.schema)).transpose();
        let filled = filled.map_err(Error::from)?;
        let schema = filled.as_ref().unwrap_or(&rows.schema);
        visit(schema, None)?;
        for batch in rows.batches {
            let batch = batch.map_err(Error::from)?;
            match &self.contents {
                Some(contents) => {
                    for part in contents.read(&batch, schema) {
                        visit(schema, Some(&part.map_err(Error::from)?))?;
                    }
                }
                None => visit(schema, Some(&batch))?,
            }
        }
        Ok(rows.notes)
    }
}

#[cfg(test)]
mod tests;
