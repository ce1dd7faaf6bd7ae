//! Metrics of predictions, computed from plain numbers without tensors.
//!
//! Definitions follow scikit-learn; `scripts/golden/metrics.py` writes the values that the tests
//! compare with.

mod bootstrap;
mod classification;
mod compare;
mod regression;
mod series;
mod slices;
mod subgroups;
mod threshold;

pub use bootstrap::{Bootstrap, BootstrapInterval, PairedDifference, RESAMPLES, RowSums, UNITS};
pub use classification::{ClassReport, classification, roc_auc};
pub use compare::{DeLongTest, McNemarTest, ModelVerdict, delong, mcnemar};
pub use regression::regression;
pub use series::{anomaly, forecast};
pub use slices::{LossSlice, SliceColumn, SliceOptions, error_slices};
pub use subgroups::{
    BinaryDecision, GroupColumn, GroupGap, GroupMetric, GroupedRows, MISSING, RowGroup, fairness, gap,
    group_metrics, group_rows, ratio,
};
pub use threshold::{threshold_of_labels, threshold_of_normal};

use indexmap::IndexMap;
use serde::{Deserialize, Serialize};

/// Metrics of one split.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Metrics {
    /// Number of rows.
    pub rows: usize,
    /// Values by metric name, such as `accuracy` or `rmse`. Undefined metrics (AUC of one class, R2
    /// of a constant target) are left out.
    pub values: IndexMap<String, f64>,
    /// Class that `precision`, `recall` and `f1` are those of; `None` unless there are two classes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub positive: Option<String>,
    /// Precision, recall and F1 of each class.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub classes: Vec<ClassReport>,
    /// Counts of rows, `confusion[target][predicted]`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub confusion: Vec<Vec<u64>>,
    /// RMSE of each forecast step.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<f64>,
}
