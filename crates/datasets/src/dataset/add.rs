//! New versions: collected, checked, profiled, stored.

use std::path::PathBuf;

use arrow::array::AsArray;
use arrow::compute::cast;
use arrow::datatypes::DataType;
use cupola_sources::{
    Collected, DataFile, Error as SourceError, FileVersion, ProgressSink, ProgressUnit, TableWriter,
    TextColumns, file_version, io_runtime,
};
use cupola_spec::Data;
use cupola_store::{DatasetVersion, StagedFolder};
use jiff::Timestamp;

use super::{DatasetManifest, Datasets, checked};
use crate::error::Error;
use crate::load::{CheckedSource, Collection, FirstRead, LoadRequest, PushedRows, collect, reading};
use crate::profile::Profiler;

/// Attempts to make a version of pushed rows among other processes.
const ATTEMPTS: usize = 20;

/// User-provided description of a dataset.
#[derive(Debug, Clone, Default)]
pub struct DatasetInfo {
    /// Licence of the data.
    pub licence: Option<String>,
    /// Update interval of the source.
    pub updates: Option<String>,
}

/// Outcome of adding a version.
#[derive(Debug)]
pub enum AddOutcome {
    /// New version.
    New(Box<DatasetManifest>),
    /// No new version, since the newest one holds the same data.
    Same(Box<DatasetManifest>),
}

impl AddOutcome {
    /// Version that holds the data.
    pub fn manifest(&self) -> &DatasetManifest {
        match self {
            Self::New(manifest) | Self::Same(manifest) => manifest,
        }
    }
}

impl Datasets {
    /// Collects a source and stores it as a new version, unless the newest one holds the same data.
    ///
    /// # Errors
    /// Everything in [`Error`]; no version is then there that was not there before.
    pub fn add(
        &self,
        name: &str,
        request: &LoadRequest<'_>,
        about: &DatasetInfo,
    ) -> Result<AddOutcome, Error> {
        checked(name)?;
        let parent = if self.versions(name).is_empty() { None } else { Some(self.manifest(name, None)?) };
        self.keep(name, request, about, parent.as_ref(), collect(request)?)
    }

    /// Makes a version of the pushed rows, if there are any; otherwise collects the source of the newest
    /// version again. With a watermark, only rows beyond it are collected and appended.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub fn pull(&self, name: &str, progress: &dyn ProgressSink) -> Result<AddOutcome, Error> {
        let mut attempt = 1;
        loop {
            match self.pull_once(name, progress) {
                // The pushed rows belong onto the version that another process has made.
                Err(Error::Superseded { .. }) if attempt < ATTEMPTS => attempt += 1,
                done => return done,
            }
        }
    }

    fn pull_once(&self, name: &str, progress: &dyn ProgressSink) -> Result<AddOutcome, Error> {
        let parent = self.manifest(name, None)?;
        let request = LoadRequest {
            source: &parent.data.source,
            data: &parent.data,
            expect: &parent.expect,
            texts: TextColumns::None,
            roots: &parent.roots,
            home: &self.home,
            progress,
        };
        let runtime = io_runtime(&request.label())?;
        let about = DatasetInfo { licence: parent.licence.clone(), updates: parent.updates.clone() };
        if let Some((pending, collected)) = self.pushed(&parent, &request)? {
            let rows = Some(PushedRows { id: pending.id.clone(), taken: pending.taken.clone() });
            let added =
                self.keep(name, &request, &about, Some(&parent), Collection::new(collected, rows, runtime))?;
            pending.done()?;
            return Ok(added);
        }
        if let Some(origin) = &parent.origin {
            let why = format!(
                "it was pulled from a remote, whose sources are not read; run `cupola data pull {name} --from {origin}`"
            );
            return Err(Error::Dataset { name: name.to_owned(), why });
        }
        if parent.pushed.is_some() && parent.watermark.is_none() {
            // The source does not have the pushed rows: collecting it again would lose them.
            return Ok(AddOutcome::Same(Box::new(parent)));
        }
        let collected = runtime.block_on(request.collect_after(self, parent.watermark.as_deref()));
        let mut collected = match collected {
            // There are no rows beyond the watermark.
            Err(SourceError::Empty { .. }) if parent.watermark.is_some() => {
                return Ok(AddOutcome::Same(Box::new(parent)));
            }
            other => other?,
        };
        if parent.watermark.is_some() {
            let (files, versions) = self.files(name, Some(parent.version))?.files.into_iter().unzip();
            let before: (Vec<DataFile>, Vec<FileVersion>) = (files, versions);
            let n = before.1.len();
            for version in &mut collected.versions {
                version.name = numbered(&version.name, n);
            }
            collected = Collected {
                files: before.0.into_iter().chain(collected.files).collect(),
                versions: before.1.into_iter().chain(collected.versions).collect(),
                ..collected
            };
        }
        self.keep(name, &request, &about, Some(&parent), Collection::new(collected, None, runtime))
    }

    fn keep(
        &self,
        name: &str,
        request: &LoadRequest<'_>,
        about: &DatasetInfo,
        parent: Option<&DatasetManifest>,
        collection: Collection,
    ) -> Result<AddOutcome, Error> {
        let before = parent.map(|parent| &parent.profile);
        // Rows that were pushed onto a version of a remote do not make its source known.
        let collected_again = collection.pushed().is_none();
        request.progress.begin(&format!("reading {}", request.label()), ProgressUnit::Rows, None);
        let checked_source = CheckedSource::of(request, collection, before, &mut |event| {
            if let FirstRead::Batch(batch) = event {
                request.progress.advance(batch.num_rows() as u64);
            }
            Ok(())
        });
        request.progress.end();
        let mut checked_source = checked_source?;
        if checked_source.position.is_some() && (request.data.query.is_some() || request.data.files.is_some())
        {
            let why = "`query` and `files` are not supported for a topic; set them in the config that reads the dataset".to_owned();
            return Err(Error::Dataset { name: name.to_owned(), why });
        }
        // Rows that differ from those in the files are written to a file of their own.
        let altered = request.data.query.is_some()
            || request.data.files.is_some()
            || checked_source.report.quarantined > 0;
        let mut profiler = Profiler::new(&checked_source.schema);
        let watermark = self.read_all(request, &checked_source, &mut profiler, altered)?;
        let (files, watermark) = (watermark.0, watermark.1);
        if let Some((file, version)) = files {
            (checked_source.files, checked_source.versions) = (vec![file], vec![version.clone()]);
            // The digest of the rows themselves covers the rows that are left out and those that are computed.
            let DatasetVersion { source, query, datasets, schema, rows, .. } = checked_source.version;
            let own = DatasetVersion::new(&source, query.as_deref(), vec![version], schema, rows);
            checked_source.version = DatasetVersion { datasets, ..own };
        } else {
            checked_source.version.files.clone_from(&checked_source.versions);
        }
        if let Some(parent) = parent
            && same(parent, &checked_source)
            && reading(&parent.data) == reading(request.data)
        {
            return Ok(AddOutcome::Same(Box::new(parent.clone())));
        }
        for (file, version) in originals(&checked_source) {
            self.blobs().add(&file, version, request.progress)?;
        }
        let mut profile = profiler.finish();
        if self.encrypts() {
            // Plaintext values must not be stored beside encrypted blobs.
            profile.columns.iter_mut().for_each(|column| column.top.clear());
        }
        let pushed = checked_source.pushed.take();
        let taken = pushed.as_ref().map(|rows| rows.taken.clone()).filter(|taken| !taken.is_empty());
        let mut manifest = DatasetManifest {
            format_version: DatasetManifest::FORMAT_VERSION,
            name: name.to_owned(),
            version: 0,
            parent: parent.map(|parent| parent.version),
            created: format!("{:.3}", Timestamp::now()),
            dataset: checked_source.version,
            data: Data { source: request.source.clone(), test_source: None, ..request.data.clone() },
            roots: request
                .roots
                .iter()
                .map(|root| std::path::absolute(root).unwrap_or(root.clone()))
                .collect(),
            watermark: checked_source.position.or(watermark),
            pushed: pushed.map(|rows| rows.id).or_else(|| parent.and_then(|parent| parent.pushed.clone())),
            taken: taken.clone().unwrap_or_default(),
            licence: about.licence.clone(),
            updates: about.updates.clone(),
            expect: request.expect.to_vec(),
            origin: parent.and_then(|parent| parent.origin.clone()).filter(|_| !collected_again),
            report: checked_source.report,
            profile,
        };
        // Rows of objects are taken onto the newest version, or not at all.
        if taken.is_some() {
            self.publish_next(&mut manifest)?;
        } else {
            self.publish(&mut manifest)?;
        }
        Ok(AddOutcome::New(Box::new(manifest)))
    }

    /// Profiles all rows, finds the largest value of the watermark, and stores the rows as a file of their
    /// own if they are `altered`.
    #[allow(clippy::type_complexity, reason = "both are optional, and read at once")]
    fn read_all(
        &self,
        request: &LoadRequest<'_>,
        checked_source: &CheckedSource,
        profiler: &mut Profiler,
        altered: bool,
    ) -> Result<(Option<(DataFile, FileVersion)>, Option<String>), Error> {
        let mark = request.data.watermark.as_deref().map(|column| {
            checked_source.schema.index_of(column).map_err(|_| SourceError::Location {
                text: "data.watermark".to_owned(),
                why: format!("there is no column `{column}`; name one of the answer"),
            })
        });
        let mark = mark.transpose()?;
        let folder = StagedFolder::scratch(&self.root())?;
        let path = folder.path().join("rows.parquet");
        let mut writer = altered.then(|| TableWriter::new(&path, &checked_source.schema)).transpose()?;
        let mut largest: Option<Largest> = None;
        request.progress.begin("profiling", ProgressUnit::Rows, Some(checked_source.version.rows as u64));
        let done = checked_source.each(&mut |batch| {
            profiler.add(batch)?;
            if let Some(index) = mark {
                largest = Largest::of(batch.column(index), largest.take())?;
            }
            if let Some(writer) = &mut writer {
                writer.push(batch)?;
            }
            request.progress.advance(batch.num_rows() as u64);
            Ok::<(), Error>(())
        });
        request.progress.end();
        done?;
        let Some(writer) = writer else { return Ok((None, largest.map(|largest| largest.text))) };
        writer.finish()?;
        let version =
            FileVersion { name: "rows.parquet".to_owned(), ..file_version(&path, request.progress)? };
        // The blob replaces the temporary file.
        self.blobs().add(&path, &version, request.progress)?;
        let file = DataFile::named(self.blobs().path(&version.sha256), version.name.clone())?;
        Ok((Some((file, version)), largest.map(|largest| largest.text)))
    }
}

/// Files as they were found, before any conversion.
fn originals(checked_source: &CheckedSource) -> Vec<(PathBuf, &FileVersion)> {
    let paths = checked_source.files.iter().map(|file| file.original.clone().unwrap_or(file.path.clone()));
    paths.zip(&checked_source.versions).collect()
}

/// `true` if a version has the same files, columns and query.
fn same(parent: &DatasetManifest, checked_source: &CheckedSource) -> bool {
    parent.dataset.files == checked_source.version.files
        && parent.dataset.schema == checked_source.version.schema
        && parent.dataset.query == checked_source.version.query
}

/// Renames `rows.parquet` to `rows-3.parquet`: names within a version are unique.
fn numbered(name: &str, n: usize) -> String {
    let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
    format!("{stem}-{n}.{ending}")
}

/// Largest value of a column in the order of a database.
struct Largest {
    number: Option<f64>,
    text: String,
}

impl Largest {
    fn of(column: &arrow::array::ArrayRef, so_far: Option<Self>) -> Result<Option<Self>, Error> {
        let wrong = |error: arrow::error::ArrowError| SourceError::Engine {
            path: "data.watermark".to_owned(),
            why: error.to_string(),
        };
        let texts = cast(column, &DataType::Utf8).map_err(wrong)?;
        let numeric = column.data_type().is_numeric();
        let mut largest = so_far;
        for text in texts.as_string::<i32>().iter().flatten() {
            let number = if numeric { text.parse().ok() } else { None };
            let beyond = largest.as_ref().is_none_or(|known| match (number, known.number) {
                (Some(new), Some(old)) => new > old,
                _ => text > known.text.as_str(),
            });
            if beyond {
                largest = Some(Self { number, text: text.to_owned() });
            }
        }
        Ok(largest)
    }
}
