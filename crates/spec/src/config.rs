//! The config as typed: one struct for each TOML table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::clean::{Clean, Feature};
use crate::combine::Combine;
use crate::data::Data;
use crate::expect::Expectation;
use crate::input::Input;
use crate::model::Model;
use crate::train::Train;

/// A whole run config, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run and of the package it publishes: letters, digits, `_` and `-`.
    pub name: String,
    /// Seed of every random draw in the run.
    pub seed: u64,
    /// Where the rows come from.
    pub data: Data,
    /// What the rows have to be like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expectation>,
    /// Repairs of raw values.
    #[serde(default, skip_serializing_if = "Clean::is_empty")]
    pub clean: Clean,
    /// Columns that are computed of others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
    /// How rows are divided into train, valid and test.
    pub split: Split,
    /// What the model sees. Left out: inferred from the data and printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// What the model predicts; several share the trunk and answer from one head.
    pub targets: Vec<Target>,
    /// How inputs of several kinds meet. Left out: side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<Combine>,
    /// The network.
    pub model: Model,
    /// The training loop.
    pub train: Train,
}

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

/// What the model predicts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the target; also its column, where `column` is left out.
    pub name: String,
    /// `category` (two values make it binary), `number`, `forecast`, `reconstruct` or `next_token`.
    pub kind: TargetKind,
    /// The column, if it has another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// For a forecast: how many rows ahead, each row a step in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub horizon: Option<usize>,
    /// For a forecast: rows after which the series repeats, such as 24 for hours; the metrics compare
    /// with the value so many rows before. Default: 1, the last value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub season: Option<usize>,
    /// Where there are several: what its loss counts beside the others'. Default: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub weight: Option<f64>,
}

impl Target {
    /// A target of a kind, all else left to its default.
    pub fn new(name: &str, kind: TargetKind) -> Self {
        Self { name: name.to_owned(), kind, column: None, horizon: None, season: None, weight: None }
    }

    /// The column that holds the target, or the labels of a reconstruction; that may have none.
    pub fn column(&self) -> Option<&str> {
        match self.kind {
            TargetKind::Reconstruct => self.column.as_deref(),
            _ => Some(self.column.as_deref().unwrap_or(&self.name)),
        }
    }
}

/// What a target is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TargetKind {
    /// Classification: softmax over the classes, or one logit when there are two.
    Category,
    /// Regression on the standardised target.
    Number,
    /// Language modelling: at each token of the only input, a text, the next one.
    NextToken,
    /// The next `horizon` values of the column, from the rows before them: inputs of kind `series`
    /// with a `window`.
    Forecast,
    /// The inputs themselves; the answer is how far off that is, an anomaly score. Where `column` is
    /// given, it holds 1 for rows that are anomalies, and evaluations tell how well the score ranks
    /// them.
    Reconstruct,
}
