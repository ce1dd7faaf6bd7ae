//! Distributions of the rows of a source as a model reads them.

use std::cell::Cell;

use cupola_monitor::{NamedColumn, ReferenceProfile};
use cupola_prep::{FittedTarget, Frame, each_derived};
use cupola_registry::MONITOR;
use cupola_spec::Source;

use super::columns::MonitoredColumns;
use super::log::files_of;
use crate::error::Error;
use crate::models::inference::{CHUNK, InputRows, LoadedModel, explained};
use crate::session::Session;

/// Numbers that are held at once, in all columns together: half a GiB.
const MEMORY: usize = 32 << 20;

/// Rows to collect.
#[derive(Debug, Clone, Copy)]
pub struct CollectionRequest<'a> {
    /// Source, as in a config.
    pub data: &'a str,
    /// `true` to predict the rows too.
    pub predict: bool,
}

/// Columns of a source.
#[derive(Debug, Clone)]
pub struct CollectedData {
    /// Number of rows.
    pub rows: u64,
    /// Inputs, predictions, probabilities, and targets that the rows have.
    pub columns: Vec<NamedColumn>,
    /// Names of inputs and targets that the prediction log has as pseudonyms only.
    pub pseudonyms: Vec<String>,
}

impl LoadedModel {
    /// Distributions that the model was trained with; `None` for a package without them.
    ///
    /// # Errors
    /// A damaged package, a profile of another plan.
    pub fn reference_profile(&self) -> Result<Option<ReferenceProfile>, Error> {
        let files = &self.package.manifest.files;
        if !files.contains_key(MONITOR) {
            return Ok(None);
        }
        let package = self.package.label();
        let profile =
            ReferenceProfile::parse(&self.package.read_within(MONITOR, ReferenceProfile::MOST_BYTES as u64)?)
                .map_err(|error| Error::DamagedPackage {
                    package: package.clone(),
                    why: error.to_string(),
                })?;
        if files.get("plan.json") != Some(&profile.plan_sha256) {
            let why = "`monitor.json` is the profile of another plan; publish the model again".to_owned();
            return Err(Error::DamagedPackage { package, why });
        }
        Ok(Some(profile))
    }
}

impl Session<'_> {
    /// Collects the columns of a source that a model reads and, if asked, its predictions, piece by piece in bounded memory.
    /// Rows that windows or token streams are cut from are read at once.
    ///
    /// # Errors
    /// Sources that cannot be read, rows that do not fit the plan, a device that fails.
    pub fn collect_columns(
        &self,
        model: &mut LoadedModel,
        request: CollectionRequest<'_>,
    ) -> Result<CollectedData, Error> {
        let package = model.predictor.package.clone();
        let plan = &package.plan;
        let source = Source::One(files_of(request.data));
        let mut columns = MonitoredColumns::of(plan, MEMORY);
        let predict = request.predict && columns.predicts();
        let one_each =
            plan.window().is_none() && !matches!(plan.targets.first(), FittedTarget::NextToken { .. });
        if !one_each {
            let rows = self.read_rows(&source, plan)?;
            return Self::collect_at_once(model, &rows, columns, predict);
        }
        let rows = self.rows_in_pieces(&source, plan)?;
        let exact = plan.exact_columns();
        let unchecked = Cell::new(!predict);
        let frames = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| {
            rows.each(&mut |batch| {
                let frame = Frame::from_batches(rows.schema(), std::slice::from_ref(batch), &exact)?;
                // Without predictions nothing else would find a missing column.
                if frame.rows() > 0 && unchecked.take() {
                    plan.apply(&frame.take(&[0]))?;
                }
                visit(frame)
            })
        };
        let mut seen = 0;
        let done = each_derived(plan, &frames, predict, &mut |derived, examples| {
            seen += derived.rows() as u64;
            columns.observe_rows(derived);
            columns.observe_pictures(derived, 1);
            let Some(examples) = examples else { return Ok(()) };
            let indices: Vec<usize> = (0..examples.rows).collect();
            for chunk in indices.chunks(CHUNK) {
                for prediction in model.predictor.predict(examples.gather(chunk))? {
                    columns.observe_prediction(&prediction);
                }
            }
            Ok(())
        });
        done.map_err(|error| match error {
            Error::Prepare(error) => explained(error, plan, rows.origin()).into(),
            other => other,
        })?;
        Ok(CollectedData { rows: seen, pseudonyms: columns.pseudonyms(), columns: columns.finish() })
    }

    fn collect_at_once(
        model: &mut LoadedModel,
        rows: &InputRows,
        mut columns: MonitoredColumns,
        predict: bool,
    ) -> Result<CollectedData, Error> {
        let plan = &model.predictor.package.plan;
        let frame = rows.frame.clone();
        let frames = |visit: &mut dyn FnMut(Frame) -> Result<(), Error>| visit(frame.clone());
        each_derived(plan, &frames, false, &mut |derived, _| {
            columns.observe_rows(derived);
            Ok::<_, Error>(())
        })?;
        if predict {
            model.predict(rows)?.iter().for_each(|prediction| columns.observe_prediction(prediction));
        }
        let (rows, pseudonyms) = (rows.frame.rows() as u64, columns.pseudonyms());
        Ok(CollectedData { rows, pseudonyms, columns: columns.finish() })
    }
}
