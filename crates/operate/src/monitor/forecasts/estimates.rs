//! Errors of forecasts, estimated from those of the reference before the values arrive.

use cupola_monitor::late::{ActualValue, JoinedForecasts, SeriesHistory, StepPerformance};
use cupola_monitor::performance::{AlertBand, ChunkPerformance, ChunkRows};
use cupola_workflow::ErrorModel;
use indexmap::IndexMap;

use crate::error::Error;

/// Forecasts of the reference with their values, and the thresholds that they give.
#[derive(Default)]
pub(super) struct ForecastReference {
    /// Thresholds by metric.
    pub bands: IndexMap<String, AlertBand>,
    /// Divisor of MASE.
    pub naive: Option<f64>,
    /// Forecasts, and the rows of their series; `None` without a reference.
    pub known: Option<(JoinedForecasts, Vec<ActualValue>)>,
}

impl ForecastReference {
    /// Adds the metrics that a model of the errors of the reference expects, by chunk and by step ahead. `values` are rows of the
    /// series of the forecasts.
    pub fn add_estimates(
        &self,
        joined: &JoinedForecasts,
        values: &[ActualValue],
        (chunks, rows): (&mut [ChunkPerformance], &[ChunkRows]),
        steps: &mut [StepPerformance],
    ) -> Result<Option<String>, Error> {
        let Some((reference, before)) = &self.known else { return Ok(None) };
        let (before, history) = (SeriesHistory::new(before), SeriesHistory::new(values));
        let has_history = reference.has_history(&before) && joined.has_history(&history);
        let every = (reference.forecasts.len() * reference.horizon()).div_ceil(ErrorModel::MOST_STEPS);
        let model = ErrorModel::fit_steps(&reference.step_rows(has_history.then_some(&before), every))?;
        let mut own = joined.step_rows(has_history.then_some(&history), 1);
        model.expect_steps(&mut own)?;
        own.add_estimates((chunks, rows), steps, &self.bands, self.naive);
        let note = "errors are estimated from the forecasts alone, since not all of them have values of their series shortly before them; give \
                    the whole table with --targets FILE";
        Ok((!has_history).then(|| note.to_owned()))
    }
}
