//! Rows of a run: collected, read, split and transformed, or taken from the prepared stage.

pub(crate) mod kept;
pub(crate) mod loaded;
mod prepare;
mod stage;
pub(crate) mod stages;

use std::path::PathBuf;

use cupola_datasets::{Collection, LoadRequest, Stream};
use cupola_prep::{
    Error as PrepError, ExactColumns, Frame, FrameStream, Plan, exact_columns, prepare, prepare_sealed,
    prepare_stream,
};
use cupola_sources::{RowOrigin, TextColumns};
use cupola_spec::Run;

pub use self::loaded::{LoadedData, SourceReport};
pub use self::prepare::{Prepare, PrepareOutcome};
pub use self::stage::PreparedStage;

use crate::error::Error;
use crate::event::{CollectionEvents, WorkflowEvent};
use crate::models::pretrained::{self, Pretrained};
use crate::session::Session;

impl Session<'_> {
    /// Reads and prepares the data of a run, or reuses what [`Session::prepare`] kept of the same data.
    /// Relative paths are looked up in `roots`.
    ///
    /// # Errors
    /// Sources that cannot be read, unmet expectations, rows that do not fit the config.
    pub fn load_data(&self, run: &Run, roots: &[PathBuf]) -> Result<LoadedData, Error> {
        self.load_stage(run, roots, self.prepared_stage(run, roots)?)
    }

    /// Data of a run whose files `stage` has collected.
    fn load_stage(&self, run: &Run, roots: &[PathBuf], stage: PreparedStage) -> Result<LoadedData, Error> {
        let data = match stage.load(&self.home, run)? {
            Some(data) => {
                self.emit(&WorkflowEvent::PreparedReused { stage: stage.short() });
                data
            }
            None => self.prepare_rows(run, roots, stage)?,
        };
        self.emit(&WorkflowEvent::DataLoaded { run, data: &data });
        Ok(data)
    }

    /// Reads the rows of a run and encodes them with a plan that fits them. Relative paths are looked up in `roots`.
    ///
    /// # Errors
    /// The errors of [`Session::load_data`], and [`Error::EnsembleOnStream`].
    pub(crate) fn load_sealed(&self, run: &Run, roots: &[PathBuf], plan: &Plan) -> Result<LoadedData, Error> {
        let encode = |frame: &Frame, test: Option<&Frame>| prepare_sealed(run, frame, test, plan);
        let (prepared, source, test) = self.with_frames(run, roots, encode)?;
        Ok(LoadedData { prepared, source, test, pretrained: None })
    }

    /// Reads the rows of a run and of its test source, and makes something of them.
    pub(crate) fn with_frames<T>(
        &self,
        run: &Run,
        roots: &[PathBuf],
        make: impl FnOnce(&Frame, Option<&Frame>) -> Result<T, PrepError>,
    ) -> Result<(T, SourceReport, Option<SourceReport>), Error> {
        if run.data.stream {
            return Err(Error::EnsembleOnStream);
        }
        let stage = self.prepared_stage(run, roots)?;
        let watch = CollectionEvents(self.observer);
        let exact = exact_columns(run);
        let request = self.request(run, roots, &exact, &watch);
        with_tables(run, &request, stage, &exact, make)
    }

    /// Reads and prepares the data of a run whose files `stage` has collected.
    fn prepare_rows(&self, run: &Run, roots: &[PathBuf], stage: PreparedStage) -> Result<LoadedData, Error> {
        let start = run.start.as_ref();
        let pretrained = start.map(|start| pretrained::read(&self.home, &start.package)).transpose()?;
        let watch = CollectionEvents(self.observer);
        let exact = exact_columns(run);
        let request = self.request(run, roots, &exact, &watch);
        if run.data.stream {
            self.prepare_streamed(run, &request, stage, pretrained)
        } else {
            prepare_in_memory(run, &request, stage, pretrained)
        }
    }

    /// Request of the rows of a run.
    fn request<'r>(
        &'r self,
        run: &'r Run,
        roots: &'r [PathBuf],
        exact: &'r ExactColumns,
        progress: &'r CollectionEvents<'_>,
    ) -> LoadRequest<'r> {
        let texts = TextColumns::Matching { patterns: exact.patterns(), except: exact.except() };
        LoadRequest {
            source: &run.data.source,
            data: &run.data,
            expect: &run.expect,
            texts: if run.data.query.is_some() { TextColumns::None } else { texts },
            roots,
            home: self.home.root(),
            progress,
        }
    }

    /// Prepares rows batch by batch, never holding all of them. The examples go to unnamed files in the
    /// home folder.
    fn prepare_streamed(
        &self,
        run: &Run,
        request: &LoadRequest<'_>,
        stage: PreparedStage,
        pretrained: Option<Pretrained>,
    ) -> Result<LoadedData, Error> {
        let (rows, test) = opened(run, stage, |source, found| {
            cupola_datasets::stream_collected(&LoadRequest { source, ..*request }, found)
        })?;
        let exact = exact_columns(run);
        let frames = |stream: &Stream, visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
            stream.each(&mut |batch| {
                visit(Frame::from_batches(stream.schema(), std::slice::from_ref(batch), &exact)?)
            })
        };
        let source = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| frames(&rows, visit);
        let test_frames = test
            .as_ref()
            .map(|test| move |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| frames(test, visit));
        let test_source = test_frames.as_ref().map(|frames| frames as FrameStream<'_, Error>);
        let learned = LoadedData::learned(pretrained.as_ref());
        let folder = self.home.root().join("streams");
        cupola_store::create_folder(&folder)?;
        let prepared = prepare_stream(run, &source, test_source, &folder, learned);
        let prepared = prepared.map_err(|error| match error {
            Error::Prepare(error) => located(error, rows.origin(), test.as_ref().map(Stream::origin)).into(),
            other => other,
        })?;
        Ok(LoadedData { prepared, source: rows.into(), test: test.map(SourceReport::from), pretrained })
    }
}

fn prepare_in_memory(
    run: &Run,
    request: &LoadRequest<'_>,
    stage: PreparedStage,
    pretrained: Option<Pretrained>,
) -> Result<LoadedData, Error> {
    let learned = LoadedData::learned(pretrained.as_ref());
    let encode = |frame: &Frame, test: Option<&Frame>| prepare(run, frame, test, learned);
    let (prepared, source, test) = with_tables(run, request, stage, &exact_columns(run), encode)?;
    Ok(LoadedData { prepared, source, test, pretrained })
}

/// Reads both sources of a run as frames and makes something of them. Errors name the file of a row.
fn with_tables<T>(
    run: &Run,
    request: &LoadRequest<'_>,
    stage: PreparedStage,
    exact: &ExactColumns,
    make: impl FnOnce(&Frame, Option<&Frame>) -> Result<T, PrepError>,
) -> Result<(T, SourceReport, Option<SourceReport>), Error> {
    let (mut table, test) = opened(run, stage, |source, found| {
        cupola_datasets::load_collected(&LoadRequest { source, ..*request }, found)
    })?;
    let frame = Frame::from_batches(&table.schema, &table.batches, exact)?;
    // The frame holds copies of most columns.
    table.batches.clear();
    let test_frame = test.as_ref().map(|t| Frame::from_batches(&t.schema, &t.batches, exact)).transpose()?;
    let made = make(&frame, test_frame.as_ref());
    let made = made.map_err(|error| located(error, &table.origin, test.as_ref().map(|test| &test.origin)))?;
    Ok((made, table.into(), test.map(SourceReport::from)))
}

/// Error that names the file of a row, and the row's number in it.
fn located(error: PrepError, rows: &RowOrigin, test: Option<&RowOrigin>) -> PrepError {
    match (error, test) {
        (PrepError::InTest(error), Some(test)) => located(*error, test, None),
        (error, _) => error.in_file(|row| rows.locate(row).map(|at| (at.file.clone(), at.in_file()))),
    }
}

/// Opens the source of a run, and its test source if it has one.
fn opened<T>(
    run: &Run,
    stage: PreparedStage,
    open: impl Fn(&cupola_spec::Source, Collection) -> Result<T, cupola_datasets::Error>,
) -> Result<(T, Option<T>), Error> {
    let rows = open(&run.data.source, stage.source)?;
    let test = run.data.test_source.as_ref().zip(stage.test);
    let test = test.map(|(source, found)| open(source, found)).transpose()?;
    Ok((rows, test))
}
