//! Published models on rows: predictions.

use std::path::PathBuf;

use cupola_datasets::{LoadRequest, Table};
use cupola_nn::DeviceChoice;
use cupola_prep::{Error as PrepError, Frame, Plan, Predictions, SeriesLabel, Signature};
use cupola_registry::{EMBEDDINGS, Package};
use cupola_runtime::{
    EngineChoice, ExplainOptions, IntervalRequest, PredictInput, Predictor, RowExplanations,
};
use cupola_sources::{RowOrigin, TextColumns};
use cupola_spec::{Data, Source};

use crate::error::Error;
use crate::event::CollectionEvents;
use crate::session::Session;

/// Rows of one forward pass.
pub(crate) const CHUNK: usize = 1024;

/// Published model, and the engine and device that run it.
#[derive(Debug, Clone)]
pub struct ModelSelection {
    /// `NAME`, `NAME@ALIAS`, `NAME:VERSION` or a folder.
    pub reference: String,
    /// Engine.
    pub engine: EngineChoice,
    /// Device.
    pub device: DeviceChoice,
}

/// Raw rows of a source.
pub struct InputRows {
    /// The rows.
    pub frame: Frame,
    /// Files and numbers of the rows.
    pub origin: RowOrigin,
    /// Names of the files that the rows are; empty if rows come from tables.
    pub files: Vec<String>,
}

/// Error that names the file of a row, and the query whose result has the missing column.
pub(crate) fn explained(error: PrepError, plan: &Plan, origin: &RowOrigin) -> PrepError {
    let remedy = "the model was trained on the result of `data.query`: send its columns, which `cupola models show` lists";
    match (error, &plan.query) {
        (PrepError::Column { column, near, .. }, Some(_)) => PrepError::Column { column, near, remedy },
        (PrepError::Columns { columns, found, .. }, Some(_)) => PrepError::Columns { columns, found, remedy },
        (error, _) => error.in_file(|row| origin.locate(row).map(|at| (at.file.clone(), at.in_file()))),
    }
}

/// `true` if rows lack a column that a model reads.
pub(crate) fn lacks_column(plan: &Plan, has: &dyn Fn(&str) -> bool) -> bool {
    !Signature::of(plan).inputs.iter().all(|input| has(&input.name))
}

/// Values that tell which row of which series a prediction belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowLabels {
    /// Columns of key and time; empty if predictions are in the order of the rows.
    pub columns: Vec<String>,
    /// Values of the columns for each prediction.
    pub rows: Vec<Vec<String>>,
}

/// Published model in memory.
pub struct LoadedModel {
    /// The package.
    pub package: Package,
    /// Its plan and engine.
    pub predictor: Predictor,
}

/// Part of the forecasts of a history to return.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ForecastOptions {
    /// Number of rows ahead; `None` for all that the model forecasts.
    pub horizon: Option<usize>,
    /// `true` for a forecast from every window, `false` for the one from the end of each series.
    pub all_windows: bool,
}

impl LoadedModel {
    /// The rows that predictions are made of: all of them, or of a history the last window of each series.
    ///
    /// # Errors
    /// Rows that do not fit the plan; a horizon that the model does not have.
    pub fn select(&self, rows: InputRows, options: ForecastOptions) -> Result<InputRows, Error> {
        let package = &self.predictor.package;
        if let Some(horizon) = options.horizon {
            package.check_horizon(horizon)?;
        }
        if options.all_windows || package.horizon().is_none() {
            return Ok(rows);
        }
        let latest = package.plan.latest_windows(&rows.frame);
        let latest = latest.map_err(|error| explained(error, &package.plan, &rows.origin))?;
        Ok(match latest {
            Some(frame) => InputRows { frame, ..rows },
            None => rows,
        })
    }

    /// Predictions for all rows, in order. All rows are checked before the first prediction.
    ///
    /// # Errors
    /// Rows that do not fit the plan; a device that fails.
    pub fn predict(&mut self, rows: &InputRows) -> Result<Vec<Predictions>, Error> {
        let plan = &self.predictor.package.plan;
        let examples = plan.apply(&rows.frame).map_err(|error| explained(error, plan, &rows.origin))?;
        let indices: Vec<usize> = (0..examples.rows).collect();
        let mut predictions = Vec::with_capacity(indices.len());
        for chunk in indices.chunks(CHUNK) {
            predictions.extend(self.predictor.predict(examples.gather(chunk))?);
        }
        self.predictor.package.add_times(&rows.frame, &mut predictions)?;
        Ok(predictions)
    }

    /// Explanations of the predictions for all rows, in order, by the names of the targets.
    ///
    /// # Errors
    /// Rows that do not fit the plan, a kind of model that has no explanations; a device that fails.
    pub fn explain(
        &mut self,
        rows: &InputRows,
        options: &ExplainOptions,
    ) -> Result<Vec<RowExplanations>, Error> {
        Ok(self.predictor.explain(&rows.frame, options)?)
    }

    /// Adds intervals and sets to the predictions of [`Self::predict`] for these rows.
    ///
    /// # Errors
    /// A package without intervals, or without enough calibration rows for the coverage.
    pub fn add_intervals(
        &self,
        interval: IntervalRequest,
        rows: &InputRows,
        predictions: &mut [Predictions],
    ) -> Result<(), Error> {
        let package = &self.predictor.package;
        let coverage = package.interval_coverage(interval)?;
        Ok(package.add_intervals(coverage, &PredictInput::Frame(rows.frame.clone()), predictions)?)
    }

    /// Key and time of the last row that each prediction of [`Self::predict`] is made from, for a model of series.
    ///
    /// # Errors
    /// Rows that do not fit the plan.
    pub fn labels(&self, rows: &InputRows) -> Result<RowLabels, Error> {
        let plan = &self.predictor.package.plan;
        let Some(order) = &plan.series else { return Ok(RowLabels::default()) };
        let labels = plan.series_labels(&rows.frame).map_err(|error| explained(error, plan, &rows.origin))?;
        let columns = order.keys.iter().chain(&order.time).cloned().collect();
        let texts = |label: SeriesLabel| label.into_values().collect();
        Ok(RowLabels { columns, rows: labels.unwrap_or_default().into_iter().map(texts).collect() })
    }
}

/// Reads a source plainly, or, if the rows lack a column of the model, with the spelling of the training data, where that
/// finds all columns. `read` reads it, `is_complete` says if rows have all columns.
///
/// # Errors
/// The errors of `read`; of both spellings, those of the plain one if it could be read.
pub(crate) fn in_fitting_spelling<T>(
    source: &Source,
    plan: &Plan,
    read: &dyn Fn(&Data) -> Result<T, Error>,
    is_complete: &dyn Fn(&T) -> bool,
) -> Result<T, Error> {
    let data = Data::plain(source.clone(), &plan.null_texts);
    let plainly = read(&data);
    if plan.format.is_default() {
        return plainly;
    }
    match plainly {
        Ok(rows) if is_complete(&rows) => Ok(rows),
        plainly => match read(&data.with_format(&plan.format)) {
            Ok(rows) if is_complete(&rows) => Ok(rows),
            Ok(_) => plainly,
            Err(error) => plainly.and(Err(error)),
        },
    }
}

impl Session<'_> {
    /// Loads a published model. As in a server, each file has the digest of the manifest, except for the reference embeddings, which
    /// predictions do not need and whose readers check them.
    ///
    /// # Errors
    /// Unknown or damaged packages; a device or engine that does not run them.
    pub fn open_model(&self, model: &ModelSelection) -> Result<LoadedModel, Error> {
        let package = self.home.package(&model.reference)?;
        let device = self.open_device(model.device)?;
        let predictor = Predictor::load(&package, model.engine, &device)?;
        // The weights were checked while they were read; the rest is a few hundred kilobytes.
        package.verify_rest_but(EMBEDDINGS)?;
        Ok(LoadedModel { package, predictor })
    }

    /// Rows of a source as a package reads them, without a query: nothing is guessed. A file that lacks a column of the
    /// model is read with the spelling that the training data was declared to have, such as names for a file without a
    /// header.
    ///
    /// # Errors
    /// Sources that cannot be read.
    pub fn read_rows(&self, source: &Source, plan: &Plan) -> Result<InputRows, Error> {
        self.read_rows_with(source, plan, &|frame| !lacks_column(plan, &|name| frame.get(name).is_some()))
    }

    /// [`Self::read_rows`] of rows that are complete by another rule.
    pub(crate) fn read_rows_with(
        &self,
        source: &Source,
        plan: &Plan,
        is_complete: &dyn Fn(&Frame) -> bool,
    ) -> Result<InputRows, Error> {
        in_fitting_spelling(source, plan, &|data| self.read_as(data, plan), &|rows| is_complete(&rows.frame))
    }

    fn read_as(&self, data: &Data, plan: &Plan) -> Result<InputRows, Error> {
        let table = self.load_table(data)?;
        let frame = Frame::from_batches(&table.schema, &table.batches, &plan.exact_columns())?;
        Ok(InputRows { frame, origin: table.origin, files: Vec::new() })
    }

    /// Table of a source with plain spelling, with its columns of lists.
    pub(crate) fn read_table(&self, source: &Source, plan: &Plan) -> Result<Table, Error> {
        self.load_table(&Data::plain(source.clone(), &plan.null_texts))
    }

    fn load_table(&self, data: &Data) -> Result<Table, Error> {
        let (roots, watch) = ([PathBuf::from(".")], CollectionEvents(self.observer));
        Ok(cupola_datasets::load(&LoadRequest {
            source: &data.source,
            data,
            expect: &[],
            roots: &roots,
            home: self.home.root(),
            progress: &watch,
            texts: TextColumns::All,
        })?)
    }
}
