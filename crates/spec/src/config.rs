//! The run config: its tables, its parser, its JSON Schema and its problems.

pub(crate) mod document;
mod gate;
mod parse;
mod problem;
mod run;
pub(crate) mod schema;
mod series;
mod settings;
mod split;
mod target;
mod targets;
mod watch;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::gate::{
    Gate, GateBound, GateCheck, GateComparator, GateCondition, GateMetric, GateSplit, GateValue,
    InvalidCondition, LatencyPercentile, SubgroupStatistic, ValueEnd, VersusClaim,
};
pub use self::parse::{DEFAULTS, PACKAGE, parse, parse_data, parse_gate, parse_model_file, train_for};
pub use self::problem::{Problem, Problems};
pub use self::run::Run;
pub use self::schema::{config_schema, model_schema};
pub use self::series::Series;
pub use self::settings::{config_settings, default_settings};
pub use self::split::{Gap, Split, SplitBy};
pub use self::target::{Target, TargetKind};
pub use self::targets::TargetList;
pub(crate) use self::watch::is_time_or_zero;
pub use self::watch::{
    DriftTrigger, InvalidTime, QuietHours, Watch, WatchBudget, WatchCanary, WatchClaim, WatchLive,
    WatchRollback, WatchSchedule, WatchTriggers, WatchWebhook, parse_zone,
};
use crate::data::{Clean, Data, Expectation, Feature};
use crate::evaluate::Evaluate;
use crate::evaluate::Uncertainty;
use crate::inputs::Input;
use crate::model::{Combine, Model};
use crate::train::{Train, Tune};

/// A run config as it was written, with the defaults filled in: one field for each table of the file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the run and of the package it publishes: letters, digits, `_` and `-`.
    pub name: String,
    /// Seed of every random draw of the run.
    pub seed: u64,
    /// Source of the rows.
    pub data: Data,
    /// Data contract: conditions that the rows have to meet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expect: Vec<Expectation>,
    /// Repairs of raw values.
    #[serde(default, skip_serializing_if = "Clean::is_empty")]
    pub clean: Clean,
    /// Columns that are computed from others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Feature>,
    /// Division of the rows into train, valid and test.
    pub split: Split,
    /// Order of the rows that windows are cut from.
    #[serde(default, skip_serializing_if = "Series::is_empty")]
    pub series: Series,
    /// Inputs of the model. Default: inferred from the data and printed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<Input>,
    /// Targets that the model predicts. Several targets share the trunk and the head.
    pub targets: Vec<Target>,
    /// Combination of inputs of several kinds. Default: side by side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub combine: Option<Combine>,
    /// Architecture of the model.
    pub model: Model,
    /// Training loop.
    pub train: Train,
    /// Evaluation at the end of the run.
    #[serde(default)]
    pub evaluate: Evaluate,
    /// Intervals of numbers and sets of classes. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Uncertainty>,
    /// Conditions that the trained model has to meet.
    #[serde(default, skip_serializing_if = "Gate::is_empty")]
    pub gate: Gate,
    /// Search for good values of keys. Training ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tune: Option<Tune>,
    /// Retraining of the published model. Training ignores it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watch: Option<Watch>,
}
