//! Metrics of one split, by kind of target.

pub(crate) mod classification;
mod direction;
mod float;
mod language;
mod ranking;
pub(crate) mod regression;
pub(crate) mod scores;
pub(crate) mod series;
mod undefined;
pub(crate) mod weights;

pub use classification::{ClassCounts, ClassReport, ClassificationSums, ClassifiedRows, classification};
pub use direction::{larger_is_better, metric_range};
pub use float::FloatValue;
pub use language::{bits_per_byte, perplexity};
pub use ranking::{RANKING_METRICS, RankedGroups, ranking};
pub use regression::{RegressionRows, RegressionSums, pinball, regression};
pub use scores::ScoreRanking;
pub use series::{
    ForecastRows, ScoredRows, anomaly, crps_of_ensemble, crps_of_quantiles, forecast, forecast_by_step, smape,
};
pub use undefined::Undefined;

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Metrics by name, with the reason for each that the rows do not define.
pub type NamedValues = Vec<(&'static str, Result<f64, Undefined>)>;

/// Selection of the metrics to compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricSet {
    /// Metrics that are followed during training.
    Training,
    /// All.
    #[default]
    All,
}

/// Metrics of one split.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Number of rows.
    pub rows: usize,
    /// Values by metric name, such as `accuracy` or `rmse`. All are finite.
    pub values: IndexMap<String, f64>,
    /// Metrics that the rows do not define (AUC of one class, R2 of a constant target), with the reason.
    #[serde(default, skip_serializing_if = "IndexMap::is_empty")]
    pub undefined: IndexMap<String, String>,
    /// Class that `precision`, `recall` and `f1` are those of; `None` unless there are two classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Precision, recall and F1 of each class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassReport>,
    /// Counts of rows, `confusion[target][predicted]`. In files, of more than 100 classes the 10,000 most frequent cells.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "classification::confusion")]
    pub confusion: Vec<Vec<u64>>,
    /// RMSE of each forecast step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<f64>,
}

impl Metrics {
    /// Adds a metric: its value if it is finite, else the reason for which it is undefined.
    pub fn insert(&mut self, name: &str, value: Result<f64, Undefined>) {
        match value {
            Ok(value) if value.is_finite() => {
                self.values.insert(name.to_owned(), value);
            }
            Ok(_) => {
                self.undefined.insert(name.to_owned(), Undefined::NotFinite.to_string());
            }
            Err(why) => {
                self.undefined.insert(name.to_owned(), why.to_string());
            }
        }
    }

    /// Metrics of `rows` rows.
    pub(crate) fn of(rows: usize, named: NamedValues) -> Self {
        let mut metrics = Self { rows, ..Self::default() };
        for (name, value) in named {
            metrics.insert(name, value);
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_without_reasons_are_read_and_written_as_they_are() {
        let text = r#"{"rows":2,"values":{"rmse":1.5},"steps":[1.0,2.0]}"#;
        let mut metrics: Metrics = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&metrics).unwrap(), text);
        metrics.insert("mae", Ok(f64::NAN));
        metrics.insert("r2", Err(Undefined::ConstantTarget));
        let written = serde_json::to_value(&metrics).unwrap();
        assert_eq!(written["undefined"]["r2"], "all rows have one value of the target");
        assert_eq!(written["undefined"]["mae"], "a prediction or a target is not a finite number");
        assert_eq!(serde_json::from_value::<Metrics>(written).unwrap(), metrics);
    }
}
