//! Settings of inputs of kind `number`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Replacement of a missing value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Fill {
    /// A number.
    Number(f64),
    /// `median`, `mean`, `mode`, `knn` or `none`; for categories `mode` or a text.
    Name(String),
}

/// Treatment of outliers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Outliers {
    /// Rule that finds the outliers.
    pub by: OutlierRule,
    /// Limit of the rule. `iqr`: multiples of the interquartile range beyond the quartiles (default 1.5);
    /// `z_score`: standard deviations from the mean (default 3); `isolation`: share of the training rows
    /// (default 0.01).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Action on an outlier.
    pub action: OutlierAction,
}

/// Rule that finds outliers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutlierRule {
    /// Values beyond the quartiles by a multiple of their distance (Tukey 1977).
    Iqr,
    /// Values many standard deviations from the mean.
    ZScore,
    /// Rows whose values of this input are jointly unusual, found by an isolation forest (Liu, Ting and Zhou
    /// 2008). They can be flagged or dropped.
    Isolation,
}

/// Action on an outlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutlierAction {
    /// Replace it by the nearest value that is not an outlier.
    Clip,
    /// Keep it, and add a column that is 1 for outliers.
    Flag,
    /// Treat it as a missing value.
    Missing,
    /// Do not train on the row. It is predicted and evaluated like any other.
    Drop,
}

/// Scaling of numbers, fitted on the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scaling {
    /// No scaling.
    None,
    /// Mean 0 and (population) standard deviation 1, as scikit-learn's `StandardScaler`.
    Standard,
    /// Range 0 to 1 by the smallest and largest value; for an image those of all pixels together.
    MinMax,
    /// Median 0 and interquartile range 1, as scikit-learn's `RobustScaler`.
    Robust,
    /// Median 0 and interquartile range 1, then bounded smoothly by `x / sqrt(1 + (x / 3)^2)` (Holzmüller et al.
    /// 2024, C.1). Where the quartiles are equal, half the range counts in their place; a constant becomes 0.
    RobustClip,
    /// Normal distribution by 1,000 quantiles, as scikit-learn's `QuantileTransformer`.
    Quantile,
    /// Nearly normal distribution by a power transform (Yeo and Johnson 2000), then `standard`, as
    /// scikit-learn's `PowerTransformer`.
    Power,
}
