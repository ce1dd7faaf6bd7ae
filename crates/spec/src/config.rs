//! The run config: its tables, its parser, its JSON Schema and its problems.

pub(crate) mod document;
mod parse;
mod problem;
mod run;
pub(crate) mod schema;
mod split;
mod target;
mod targets;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::parse::{DEFAULTS, PACKAGE, parse, parse_data, parse_model_file};
pub use self::problem::{Problem, Problems, did_you_mean, nearest};
pub use self::run::Run;
pub use self::schema::{config_schema, model_schema, serve_schema};
pub use self::split::{Split, SplitBy};
pub use self::target::{Target, TargetKind};
pub use self::targets::TargetList;
use crate::data::{Clean, Data, Expectation, Feature};
use crate::inputs::Input;
use crate::model::{Combine, Model};
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
