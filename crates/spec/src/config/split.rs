//! `[split]`: how rows are divided into train, valid and test.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Division of the rows into train, valid and test.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Split {
    /// Rule of the division. The default, `stratified`, keeps the shares of the classes in every split; for a
    /// number it is the same as `random`.
    pub by: SplitBy,
    /// Share of the rows that the best epoch is chosen on.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub valid: f64,
    /// Share of the rows for the final metrics.
    #[schemars(range(min = 0.0, max = 0.9))]
    pub test: f64,
    /// Column of `group`, whose equal values stay together, or of `predefined`, which holds `train`, `valid`
    /// or `test` and is not used as an input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Number of parts of `k_fold`. The parts have equal shares, and one of them is the test split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 2))]
    pub folds: Option<usize>,
    /// Index of the part of `k_fold` that is the test split, counted from 0. Default: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fold: Option<usize>,
}

/// Rule by which rows are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Seeded hash of each row's content.
    Random,
    /// Seeded hash of each row's content, within each class of the target.
    Stratified,
    /// Order of the rows: the first ones for train, the last ones for test. A forecast is always
    /// split in this way.
    Time,
    /// Seeded hash of the value in `column`, so that rows of equal value stay together.
    Group,
    /// Value of `column`: `train`, `valid` or `test`.
    Predefined,
    /// Cross-validation: the test split is part `fold` of `folds`, by a seeded hash of the row's content;
    /// `valid` is drawn from the rest.
    KFold,
}
