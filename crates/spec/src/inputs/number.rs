//! Settings of inputs of kind `number`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What stands for a missing value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fill {
    /// This number.
    Number(f64),
    /// `median`, `mean`, `mode` or `knn`; for categories `mode` or this text.
    Name(String),
}

/// Values far out.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    /// What is far out.
    pub by: OutlierRule,
    /// How far: multiples of the interquartile range beyond the quartiles (default 1.5), or standard
    /// deviations from the mean (default 3), or the share of training rows (default 0.01).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// What to do.
    pub action: OutlierAction,
}

/// What is far out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutlierRule {
    /// Beyond the quartiles by a multiple of their distance (Tukey 1977).
    Iqr,
    /// Many standard deviations from the mean.
    ZScore,
    /// Rows whose values of this input, all together, are unlike the others (an isolation forest; Liu, Ting
    /// and Zhou 2008). They are flagged or dropped.
    Isolation,
}

/// What to do with a value far out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutlierAction {
    /// Take the nearest value that is not far out.
    Clip,
    /// Leave it, and add a column that is 1 there.
    Flag,
    /// Treat it as missing.
    Missing,
    /// Do not train on the row; it is predicted and evaluated as any other.
    Drop,
}

/// How numbers are scaled; fitted on the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// As they are.
    None,
    /// Mean 0 and standard deviation 1 (population), as scikit-learn's `StandardScaler`.
    Standard,
    /// To 0..1 by the smallest and largest value; for an image those of all pixels together.
    MinMax,
    /// Median 0 and interquartile range 1, as scikit-learn's `RobustScaler`.
    Robust,
    /// To a normal distribution by 1,000 quantiles, as scikit-learn's `QuantileTransformer`.
    Quantile,
    /// To a nearly normal distribution by a power (Yeo and Johnson 2000), then `standard`, as
    /// scikit-learn's `PowerTransformer`.
    Power,
}
