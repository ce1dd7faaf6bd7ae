//! Predictions for all rows of a source, a piece at a time where each row is predicted by itself.

use cupola_prep::{FittedTarget, Frame, Plan, Predictions};
use cupola_runtime::{ExplainOptions, IntervalRequest, RowExplanations};
use cupola_sources::RowOrigin;
use cupola_spec::Source;

use super::inference::{ForecastOptions, InputRows, LoadedModel, RowLabels, explained};
use crate::error::Error;
use crate::session::Session;

/// Rows of a piece: its predictions are in memory at once.
const PIECE: usize = 16_384;

/// Parts of a prediction beside its value.
#[derive(Debug, Clone, Default)]
pub struct PredictOptions {
    /// Part of the forecasts to return.
    pub forecast: ForecastOptions,
    /// Intervals and sets.
    pub interval: Option<IntervalRequest>,
    /// Explanations.
    pub explain: Option<ExplainOptions>,
}

/// Predictions for some rows, in order.
pub struct PredictedRows {
    /// The predictions.
    pub predictions: Vec<Predictions>,
    /// Explanations of the predictions by the names of the targets; empty unless they were asked for.
    pub explanations: Vec<RowExplanations>,
    /// Values that tell which row of which series each prediction belongs to.
    pub labels: RowLabels,
    /// Names of the files that the rows are; empty if rows come from tables.
    pub files: Vec<String>,
}

impl LoadedModel {
    /// Predictions for rows, with all that the options ask for. Rows are checked before the first prediction.
    ///
    /// # Errors
    /// Rows that do not fit the plan; options that the package has nothing for; a device that fails.
    pub fn predict_rows(
        &mut self,
        rows: InputRows,
        options: &PredictOptions,
    ) -> Result<PredictedRows, Error> {
        let rows = self.select(rows, options.forecast)?;
        let (mut predictions, labels) = (self.predict(&rows)?, self.labels(&rows)?);
        if let Some(interval) = options.interval {
            self.add_intervals(interval, &rows, &mut predictions)?;
        }
        if let Some(horizon) = options.forecast.horizon {
            predictions.iter_mut().flat_map(|row| row.values_mut()).for_each(|one| one.shorten(horizon));
        }
        let explanations = match &options.explain {
            Some(explain) => self.explain(&rows, explain)?,
            None => Vec::new(),
        };
        Ok(PredictedRows { predictions, explanations, labels, files: rows.files })
    }
}

impl Session<'_> {
    /// Predicts all rows of a source and gives the predictions to `visit` in order. Rows that are predicted each by itself
    /// are read and predicted some thousands at a time, so a source may be larger than memory; series and token streams
    /// are read at once. Predictions before a row that does not fit have been given to `visit` when the error is returned.
    ///
    /// # Errors
    /// Sources that cannot be read, rows that do not fit the plan, options that the package has nothing for; errors of
    /// `visit`.
    pub fn predict_source<E: From<Error>>(
        &self,
        model: &mut LoadedModel,
        source: &Source,
        options: &PredictOptions,
        visit: &mut dyn FnMut(PredictedRows) -> Result<(), E>,
    ) -> Result<(), E> {
        let package = model.predictor.package.clone();
        let plan = &package.plan;
        if !is_row_by_row(plan) {
            return visit(model.predict_rows(self.read_rows(source, plan)?, options)?);
        }
        let rows = self.rows_in_pieces(source, plan)?;
        let exact = plan.exact_columns();
        let mut before = 0;
        let done = rows.each(&mut |batch| {
            for start in (0..batch.num_rows()).step_by(PIECE) {
                let piece = batch.slice(start, PIECE.min(batch.num_rows() - start));
                let frame = Frame::from_batches(rows.schema(), &[piece], &exact)
                    .map_err(Error::from)
                    .map_err(PieceError::Own)?;
                let count = frame.rows();
                let piece = InputRows { frame, origin: RowOrigin::default(), files: Vec::new() };
                let predicted = model.predict_rows(piece, options).map_err(|error| {
                    PieceError::Own(match error {
                        Error::Prepare(error) => {
                            explained(error.offset_row(before), plan, rows.origin()).into()
                        }
                        other => other,
                    })
                })?;
                before += count;
                visit(predicted).map_err(PieceError::Visit)?;
            }
            Ok(())
        });
        done.map_err(|error| match error {
            PieceError::Own(error) => error.into(),
            PieceError::Visit(error) => error,
        })?;
        if before > 0 {
            return Ok(());
        }
        visit(model.predict_rows(self.read_rows(source, plan)?, options)?)
    }
}

/// End of the walk over a source: an error of this crate, or one of the visitor.
enum PieceError<E> {
    Own(Error),
    Visit(E),
}

impl<E> From<cupola_datasets::Error> for PieceError<E> {
    fn from(error: cupola_datasets::Error) -> Self {
        Self::Own(error.into())
    }
}

/// `true` if each row has a prediction of its own: no windows of a series, no stream of tokens.
pub(crate) fn is_row_by_row(plan: &Plan) -> bool {
    plan.window().is_none() && !matches!(plan.targets.first(), FittedTarget::NextToken { .. })
}
