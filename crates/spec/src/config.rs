//! The config as typed: one struct for each TOML table.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Model;

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
    /// How rows are divided into train, valid and test.
    pub split: Split,
    /// What the model sees. Left out: inferred from the data and printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// What the model predicts.
    pub targets: Vec<Target>,
    /// The network.
    pub model: Model,
    /// The training loop.
    pub train: Train,
}

/// One place or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Source {
    /// A path or a glob.
    One(String),
    /// Several paths or globs, read as one table.
    Many(Vec<String>),
}

impl Source {
    /// The paths and globs, in the order typed.
    pub fn patterns(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Where the rows come from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// Files or globs: `.csv`, `.tsv`, `.jsonl`, `.ndjson`, `.json` (lines), `.parquet`; the text
    /// formats also with `.gz`.
    pub source: Source,
    /// Files that are kept for the test split. With these, `split.test` is not drawn from `source`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test_source: Option<Source>,
    /// SQL over the table `data`, such as `SELECT * FROM data WHERE price > 0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query: Option<String>,
    /// Texts that mean "missing" in CSV, besides the empty field.
    pub null: Vec<String>,
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
}

/// How rows are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SplitBy {
    /// Each row by a seeded hash of its content.
    Random,
    /// The same, within each class of the target.
    Stratified,
}

/// One input: a column or a group of columns that are treated alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Name of the input; also the column, where `columns` is left out.
    pub name: String,
    /// What the values are.
    pub kind: Kind,
    /// Columns or globs such as `pixel_*`, in the order of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub columns: Option<Source>,
    /// For an image: `[channels, height, width]`; its columns are read in that order, last axis
    /// fastest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<[usize; 3]>,
    /// For numbers and images. Default: `standard` for numbers, `min_max` for images.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaling>,
    /// For categories. Default: `one_hot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encode: Option<Encoding>,
    /// For categories: what to do with a value that was not in the training split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unseen: Option<Unseen>,
}

/// What values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Real numbers.
    Number,
    /// One of a closed set of texts, booleans or codes.
    Category,
    /// A picture, one column for each pixel.
    Image,
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
}

/// How a category becomes numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// One column of 0/1 for each value.
    OneHot,
    /// An index into a learned embedding.
    Index,
}

/// What to do with a category that was not in the training split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Unseen {
    /// Treat it as one extra value, "other", that also stands for missing.
    Other,
    /// Refuse the row.
    Error,
}

/// What the model predicts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Name of the target; also its column, where `column` is left out.
    pub name: String,
    /// `category` (two values make it binary) or `number`.
    pub kind: TargetKind,
    /// The column, if it has another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
}

impl Target {
    /// The column that holds the target.
    pub fn column(&self) -> &str {
        self.column.as_deref().unwrap_or(&self.name)
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
}

/// Declared policy for categories; see [`Encoding`] and [`Unseen`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Category {
    /// How the value becomes numbers.
    pub encode: Encoding,
    /// What to do with values not seen in training.
    pub unseen: Unseen,
}

impl Input {
    /// The category policy, defaults filled in.
    pub fn category(&self) -> Category {
        Category {
            encode: self.encode.unwrap_or(Encoding::OneHot),
            unseen: self.unseen.unwrap_or(Unseen::Other),
        }
    }
}

/// The training loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Passes over the training split.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Examples in one step; the last batch of an epoch may be smaller.
    #[schemars(range(min = 1))]
    pub batch_size: usize,
    /// Update rule.
    pub optimizer: Optimizer,
    /// Learning rate over the steps.
    pub schedule: Schedule,
    /// Largest global L2 norm of the gradients; 0 means no clipping.
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
    /// When to stop before the last epoch.
    pub early_stop: EarlyStop,
    /// Also write a checkpoint every so many steps; 0 means at the end of each epoch only.
    pub checkpoint_every: usize,
    /// Metric on the valid split that picks the best epoch. Default: `accuracy`, `roc_auc`
    /// (binary) or `rmse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Goal>,
}

/// Metrics that can pick the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Goal {
    Loss,
    Accuracy,
    MacroF1,
    RocAuc,
    Rmse,
    Mae,
    R2,
}

impl Goal {
    /// The metric's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::RocAuc => "roc_auc",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
        }
    }

    /// Whether a larger value is better.
    pub fn larger_is_better(self) -> bool {
        !matches!(self, Self::Loss | Self::Rmse | Self::Mae)
    }
}

/// Update rule and its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Which rule.
    pub kind: OptimizerKind,
    /// Peak learning rate.
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Decoupled (`AdamW`) or L2 (SGD) weight decay.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Momentum of SGD.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    /// Nesterov's form of the momentum.
    pub nesterov: bool,
}

/// Which update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Loshchilov and Hutter 2019, `betas = (0.9, 0.999)`, `eps = 1e-8`.
    Adamw,
    /// Stochastic gradient descent.
    Sgd,
}

/// Learning rate over the steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The shape after the warm-up.
    pub kind: ScheduleKind,
    /// Steps of linear warm-up from 0.
    pub warmup_steps: usize,
    /// Last learning rate as a share of the peak.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub final_ratio: f64,
}

/// Shape of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// The peak throughout.
    Constant,
    /// Half a cosine from the peak to `final_ratio` of it at the last step.
    Cosine,
}

/// When to stop before the last epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Epochs without improvement of the metric; 0 means never.
    pub patience: usize,
    /// Smallest change that counts as an improvement.
    #[schemars(range(min = 0.0))]
    pub min_delta: f64,
}
