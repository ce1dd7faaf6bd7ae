//! `[split]`: how rows are divided into train, valid and test.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How rows are divided into train, valid and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// `stratified` keeps the target's shares in every split; for a number it is `random`.
    pub by: SplitBy,
    /// Share of rows for choosing the best epoch.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub valid: f64,
    /// Share of rows for the final metrics.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub test: f64,
    /// For `group`: the column whose equal values stay together. For `predefined`: the column that says
    /// `train`, `valid` or `test`; it is no input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// For `k_fold`: parts of equal share, of which one is the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub folds: Option<usize>,
    /// For `k_fold`: which part is the test split, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
}

/// How rows are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Each row by a seeded hash of its content.
    Random,
    /// The same, within each class of the target.
    Stratified,
    /// In the order of the rows: the first ones for train, the last ones for test. A forecast is
    /// always split so.
    Time,
    /// Rows of equal value in `column` fall into one part, by a seeded hash of the value.
    Group,
    /// As `column` says.
    Predefined,
    /// The test split is part `fold` of `folds`, by a seeded hash of the row's content; `valid` is drawn
    /// from the rest.
    KFold,
}
