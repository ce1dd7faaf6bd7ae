//! Forecasts joined with the values that arrive later, by series and time step, and how good they were.
//!
//! [`JoinedForecasts::new`] finds the value of each step of each forecast and counts what has none. The join gives metrics
//! by chunk of forecasts, by step ahead and by series, and one error for each forecast, which change detectors watch.

mod expected;
mod join;
mod measure;
mod unmatched;

pub use self::expected::{ForecastSteps, SeriesHistory};
pub use self::join::{ActualValue, JoinedForecasts, LateCounts, SeriesForecast};
pub use self::measure::{SeriesPerformance, StepPerformance};
pub use self::unmatched::{UnmatchedSeries, table_series};

#[cfg(test)]
mod tests;
