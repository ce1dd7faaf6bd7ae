//! Predictions of a source with their targets, for estimates of performance.

use std::collections::HashMap;

use cupola_monitor::late::{LateCounts, UnmatchedSeries};
use cupola_prep::{Column, Examples, Frame, OutputColumn, Plan, PredictedValue, Predictions, Signature};
use cupola_spec::{Block, Source};

use super::late::WindowRows;
use super::log::{TIME, files_of, milliseconds};
use crate::error::Error;
use crate::models::inference::{InputRows, LoadedModel};
use crate::session::Session;

/// Columns of a prediction log, as the server writes it.
const REQUEST: &str = "cupola_request";
const ROW: &str = "cupola_row";
const VERSION: &str = "cupola_version";

/// Predictions of one target, and where its values come from.
#[derive(Debug, Clone, Copy)]
pub struct OutcomeSource<'a> {
    /// Prediction log, or rows that the model predicts: a source as in a config.
    pub data: &'a str,
    /// Table of the series with the values that arrived since, for forecasts and windows; `None` for those of the data.
    pub targets: Option<&'a str>,
    /// Target; `None` for the first.
    pub target: Option<&'a str>,
}

/// Predictions of one target, row by row, and the targets that the source has.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OutcomeRows {
    /// Name of the target.
    pub target: String,
    /// Classes, of two the positive one last; empty for a number.
    pub classes: Vec<String>,
    /// Predicted class or number as text; `None` if the log has none.
    pub predicted: Vec<Option<String>>,
    /// Probabilities `[rows, classes]`, NaN where unknown; empty for a number.
    pub probabilities: Vec<f64>,
    /// Targets as text, as far as the source has them.
    pub targets: Vec<Option<String>>,
    /// Times of the predictions in milliseconds since 1970; `None` unless the source is a prediction log.
    pub times: Option<Vec<Option<i64>>>,
    /// Request and number within it; `None` unless the source is a prediction log.
    pub requests: Option<Vec<Option<(String, u64)>>>,
    /// `true` if the predictions are those of the log, `false` if the model predicted the rows.
    pub logged: bool,
    /// Rows of a log that another version predicted; they are left out.
    pub other_versions: usize,
    /// Request and number within it of these rows.
    pub other_requests: Vec<(String, u64)>,
    /// Inputs of all rows as the model reads them. `None` unless asked for, for a class, and for texts, pictures and windows.
    pub inputs: Option<Examples>,
    /// Reason why a log has no inputs, such as a column that it drops.
    pub inputs_error: Option<String>,
    /// Counts of the targets that were joined by series and time; `None` without a table of them.
    pub late: Option<LateCounts>,
    /// Series of the rows and of this table without a counterpart.
    pub unmatched: UnmatchedSeries,
}

impl Session<'_> {
    /// Rows of a source with the predictions of a target: those of a prediction log, or else of the model. With `inputs`,
    /// those of a regression too.
    ///
    /// # Errors
    /// Sources that cannot be read, rows that do not fit the plan, [`Error::UnknownTarget`], [`Error::RankingOutcomes`],
    /// and those of a table of late targets.
    pub fn collect_outcomes(
        &self,
        model: &mut LoadedModel,
        source: OutcomeSource<'_>,
        inputs: bool,
    ) -> Result<OutcomeRows, Error> {
        let package = model.predictor.package.clone();
        let plan = &package.plan;
        let output = output(&package.signature, source.target)?;
        let mut rows = self.read_rows(&Source::One(files_of(source.data)), plan)?;
        let mut outcome =
            OutcomeRows { target: output.name.clone(), classes: classes(output), ..OutcomeRows::default() };
        outcome.read_rows(model, &mut rows)?;
        if inputs && outcome.classes.is_empty() {
            outcome.read_inputs(&rows.frame, plan);
        }
        let ends = outcome.read_targets(&rows.frame, plan)?;
        if let Some(table) = source.targets {
            let windows = WindowRows { plan, frame: &rows.frame, ends: &ends };
            let joined = self.join_late(&windows, table, &output.name, &mut outcome.targets)?;
            (outcome.late, outcome.unmatched) = (Some(joined.counts), joined.unmatched);
        }
        Ok(outcome)
    }
}

/// Output of a target, the first one if none is named.
fn output<'a>(signature: &'a Signature, target: Option<&str>) -> Result<&'a OutputColumn, Error> {
    let found = signature.outputs.iter().find(|own| target.is_none_or(|name| own.name == name));
    let output = found.ok_or_else(|| Error::UnknownTarget {
        target: target.unwrap_or_default().to_owned(),
        known: signature.outputs.iter().map(|own| own.name.clone()).collect::<Vec<_>>().join(", "),
    })?;
    if output.orders.is_some() {
        return Err(Error::RankingOutcomes { target: output.name.clone() });
    }
    Ok(output)
}

/// Classes of a target, of two the positive one last.
fn classes(output: &OutputColumn) -> Vec<String> {
    let mut classes = output.categories.clone().unwrap_or_default();
    if classes.len() == 2 && output.positive.as_ref() == classes.first() {
        classes.reverse();
    }
    classes
}

/// Rows of a log that a version predicted.
pub(super) fn own_rows(frame: &Frame, version: u64) -> Vec<usize> {
    let rows = 0..frame.rows();
    let Some(column) = frame.get(VERSION) else { return rows.collect() };
    let version = version.to_string();
    rows.filter(|row| text(column, *row).is_none_or(|own| own == version)).collect()
}

/// Request of each row, with the number within it; `None` without a column of requests.
pub(super) fn requests(frame: &Frame) -> Option<Vec<Option<(String, u64)>>> {
    let column = frame.get(REQUEST)?;
    let number = |row| frame.get(ROW).and_then(|own| text(own, row)?.parse().ok()).unwrap_or(1);
    let key = |row| text(column, row).map(|request| (request, number(row)));
    Some((0..frame.rows()).map(key).collect())
}

/// Requests of the rows of a log that are not among `own`, which ascend.
pub(super) fn other_requests(frame: &Frame, own: &[usize]) -> Vec<(String, u64)> {
    if own.len() == frame.rows() {
        return Vec::new();
    }
    let all = requests(frame).into_iter().flatten().enumerate();
    let others = all.filter(|(row, _)| own.binary_search(row).is_err());
    others.filter_map(|(_, request)| request).collect()
}

fn text(column: &Column, row: usize) -> Option<String> {
    column.text(row).map(std::borrow::Cow::into_owned)
}

impl OutcomeRows {
    /// Reads the predictions of a log, or lets the model predict. Of a log, `rows` keeps those of the model's version.
    fn read_rows(&mut self, model: &mut LoadedModel, rows: &mut InputRows) -> Result<(), Error> {
        let logged = format!("cupola_prediction_{}", self.target);
        self.logged = rows.frame.get(&logged).is_some();
        if self.logged {
            let own = own_rows(&rows.frame, model.package.manifest.version);
            self.other_versions = rows.frame.rows() - own.len();
            self.other_requests = other_requests(&rows.frame, &own);
            rows.frame = rows.frame.take(&own);
            self.read_logged(&rows.frame, &logged);
        } else {
            let predictions = model.predict(rows)?;
            self.read_predictions(&predictions);
        }
        self.read_keys(&rows.frame);
        Ok(())
    }

    /// Reads the targets that the rows have. Returns the row that belongs to each prediction: of a window the one that it
    /// ends at, whose target it has. A log does not have it.
    fn read_targets(&mut self, frame: &Frame, plan: &Plan) -> Result<Vec<usize>, Error> {
        let ends = if self.logged { None } else { plan.window_ends(frame)? };
        let ends = ends.unwrap_or_else(|| (0..frame.rows()).collect());
        let count = self.predicted.len();
        let has_targets = ends.len() == count && !(self.logged && plan.window().is_some());
        self.targets = match frame.get(&self.target).filter(|_| has_targets) {
            Some(column) => ends.iter().map(|row| text(column, *row)).collect(),
            None => vec![None; count],
        };
        Ok(ends)
    }

    fn read_logged(&mut self, frame: &Frame, prediction: &str) {
        let rows = frame.rows();
        let column = frame.get(prediction);
        self.predicted = (0..rows).map(|row| column.and_then(|column| text(column, row))).collect();
        let names = self.classes.iter().map(|class| format!("cupola_probability_{}_{class}", self.target));
        let columns: Vec<Option<&Column>> = names.map(|name| frame.get(&name)).collect();
        let number = |column: Option<&Column>, row| column.and_then(|own| own.number(row).ok().flatten());
        self.probabilities = (0..rows)
            .flat_map(|row| columns.iter().map(move |own| number(*own, row).unwrap_or(f64::NAN)))
            .collect();
    }

    fn read_predictions(&mut self, predictions: &[Predictions]) {
        for row in predictions {
            let prediction = row.get(&self.target);
            self.predicted.push(prediction.and_then(|own| match &own.value {
                PredictedValue::Integer(value) => Some(value.to_string()),
                PredictedValue::Number(value) => Some(value.to_string()),
                PredictedValue::Text(value) => Some(value.clone()),
                PredictedValue::Numbers(_) => None,
            }));
            let known = prediction.and_then(|own| own.probabilities.as_ref());
            let probability = |class: &String| known.and_then(|known| known.get(class)).copied();
            let probabilities =
                self.classes.iter().map(|class| probability(class).map_or(f64::NAN, f64::from));
            self.probabilities.extend(probabilities);
        }
    }

    /// Reads the inputs if they are the columns of a table.
    fn read_inputs(&mut self, frame: &Frame, plan: &Plan) {
        if plan.window().is_some() || frame.rows() != self.predicted.len() {
            return;
        }
        match plan.apply(frame) {
            Ok(inputs) => {
                let is_table = |block: &Block| matches!(block, Block::Table { .. });
                let has_all = inputs.rows == frame.rows();
                self.inputs = Some(inputs).filter(|own| has_all && own.layout.blocks.iter().all(is_table));
            }
            Err(error) => self.inputs_error = Some(error.to_string()),
        }
    }

    fn read_keys(&mut self, frame: &Frame) {
        let count = self.predicted.len();
        if frame.rows() != count {
            return;
        }
        let times = |column: &Column| (0..count).map(|row| milliseconds(column, row)).collect();
        self.times = frame.get(TIME).map(times);
        self.requests = requests(frame);
    }

    /// Numbers of the classes by their names.
    pub fn class_numbers(&self) -> HashMap<&str, usize> {
        self.classes.iter().enumerate().map(|(number, name)| (name.as_str(), number)).collect()
    }
}
