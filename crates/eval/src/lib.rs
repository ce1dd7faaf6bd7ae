//! Evaluate: metrics from plain numbers, without a tensor in sight.
//!
//! Definitions are scikit-learn's; `scripts/golden/metrics.py` writes the numbers that the tests
//! compare with.

mod classification;
mod regression;
mod series;

pub use classification::{ClassReport, classification, roc_auc};
pub use regression::regression;
pub use series::{anomaly, forecast};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Metrics of one split.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Number of rows.
    pub rows: usize,
    /// Metric names and values, such as `accuracy` or `rmse`. A metric that is not defined (AUC
    /// of one class, R2 of a constant) is left out.
    pub values: IndexMap<String, f64>,
    /// For each class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassReport>,
    /// `confusion[truth][predicted]`, counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<u64>>,
    /// RMSE of each step ahead of a forecast.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<f64>,
}
