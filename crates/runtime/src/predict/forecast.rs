//! Forecasts: the window that a request means, and the times of its answer.

use cupola_budget::Budget;
use cupola_prep::{FittedTarget, Frame, Predictions};

use super::package::LoadedPackage;
use crate::error::Error;

/// Bytes of a value while the last rows of a series are looked for.
const CELL: usize = 32;

impl LoadedPackage {
    /// Number of rows that a forecast reaches ahead; `None` for a model that does not forecast.
    pub fn horizon(&self) -> Option<usize> {
        match *self.plan.targets.first() {
            FittedTarget::Forecast { horizon, .. } => Some(horizon),
            _ => None,
        }
    }

    /// The last window of each series of a history of any length; all rows for a model that does not forecast.
    ///
    /// # Errors
    /// [`Error::Rows`] for the first value that does not fit, [`Error::Exceeded`].
    pub fn latest_windows(&self, history: Frame, budget: &Budget) -> Result<Frame, Error> {
        if self.horizon().is_none() {
            return Ok(history);
        }
        let _reading = budget.take_each(history.rows(), history.names().count().saturating_mul(CELL))?;
        Ok(self.plan.latest_windows(&history)?.unwrap_or(history))
    }

    /// Adds the times that the predictions for these rows are for, as far as the model knows them.
    ///
    /// # Errors
    /// [`Error::Rows`] for rows that were not predicted.
    pub fn add_times(&self, rows: &Frame, predictions: &mut [Predictions]) -> Result<(), Error> {
        let Some(times) = self.plan.forecast_times(rows)? else { return Ok(()) };
        let name = self.plan.targets.first().name();
        for (row, times) in predictions.iter_mut().zip(times) {
            if let Some(prediction) = row.get_mut(name) {
                prediction.timestamps = times;
            }
        }
        Ok(())
    }

    /// Checks that forecasts may be cut to this number of rows.
    ///
    /// # Errors
    /// [`Error::Horizon`] for more rows than the model forecasts, none, or a model that does not forecast.
    pub fn check_horizon(&self, asked: usize) -> Result<(), Error> {
        match self.horizon() {
            Some(horizon) if (1..=horizon).contains(&asked) => Ok(()),
            horizon => Err(Error::Horizon { asked, horizon: horizon.unwrap_or(0) }),
        }
    }
}
