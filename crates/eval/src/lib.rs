//! Metrics of predictions, computed from plain numbers without tensors.
//!
//! Definitions follow scikit-learn; `scripts/golden/metrics.py` writes the values that the tests
//! compare with. [`ClassifiedRows`], [`RegressionRows`], [`ForecastRows`] and [`ScoredRows`] hold what the metrics of
//! predictions need and compute them for any weights of the rows; [`ClassificationSums`] and [`RegressionSums`] are
//! filled row by row and merged. [`curves`] has the points of plots.

pub mod curves;
#[cfg(test)]
mod golden;
mod metrics;
mod threshold;

pub use metrics::{
    ClassCounts, ClassReport, ClassificationSums, ClassifiedRows, FloatValue, ForecastRows, MetricSet,
    Metrics, NamedValues, RankedGroups, RegressionRows, RegressionSums, ScoreRanking, ScoredRows, Undefined,
    anomaly, bits_per_byte, classification, crps_of_ensemble, crps_of_quantiles, forecast, forecast_by_step,
    larger_is_better, perplexity, pinball, regression, smape,
};
pub use threshold::{threshold_of_labels, threshold_of_normal};

// The name under which other modules import it.
pub(crate) use metrics::series;
