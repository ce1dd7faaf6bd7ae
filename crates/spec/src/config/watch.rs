//! `[watch]`: when a published model is trained again, and how its successor takes over.

mod live;
mod schedule;
mod triggers;

use std::sync::LazyLock;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::live::{WatchCanary, WatchLive};
pub use self::schedule::{InvalidTime, QuietHours, Schedule as WatchSchedule, parse_zone};
pub use self::triggers::{DriftTrigger, WatchTriggers, WatchWebhook};
use crate::config::gate::Gate;
use crate::train::parse_time;

/// Retraining of a published model: `cupola watch`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// Reasons to train a challenger.
    pub on: WatchTriggers,
    /// Time between two looks at the data, such as `"10m"`.
    pub every: String,
    /// Dataset that keeps each version of `data.source`. Default: the name of the config. A `data.source` such as
    /// `dataset:flights` is a dataset already and keeps its name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dataset: Option<String>,
    /// Source of recent rows with their target, such as those of the last month: drift and accuracy are measured on them,
    /// and champion and challenger are compared on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recent: Option<String>,
    /// Alias that servers follow. Its version is the champion.
    pub alias: String,
    /// Claim that the challenger has to meet beside `[gate]`, against the champion on the test rows and on the recent ones.
    pub challenger: WatchClaim,
    /// Metric of the claim. Default: the one that chose the weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metric: Option<String>,
    /// `true` waits for `cupola watch approve` before the alias moves.
    pub approval: bool,
    /// `true` starts the challenger from the weights of the champion. It requires a network.
    pub warm_start: bool,
    /// `true` searches for good values of keys, as `[tune]` says, in place of one training.
    pub tune: bool,
    /// Time between the end of a retraining and the next one, such as `"6h"`.
    pub cooldown: String,
    /// Times of the day at which no retraining begins, such as `"22:00-06:00"`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quiet: Vec<String>,
    /// Offset from UTC of `quiet` and `on.schedule`, such as `"+02:00"`.
    pub zone: String,
    /// Limits of what is spent.
    pub budget: WatchBudget,
    /// Return to the earlier version if the promoted one is worse on newer rows.
    pub rollback: WatchRollback,
    /// Server whose metrics decide whether a promoted version stays.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<WatchLive>,
}

/// Claim of a challenger about the champion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WatchClaim {
    /// The 95 % interval of the difference is not all on the worse side.
    NoWorse,
    /// The 95 % interval of the difference is all on the better side.
    Better,
    /// No claim: `[gate]` alone decides.
    None,
}

impl WatchClaim {
    /// Requirement of a condition of a gate; `None` without a claim.
    pub fn requirement(self) -> Option<&'static str> {
        match self {
            Self::NoWorse => Some("no worse, 95 %"),
            Self::Better => Some("better, 95 %"),
            Self::None => None,
        }
    }
}

/// Limits of retraining.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WatchBudget {
    /// Number of retrainings within 24 hours.
    #[schemars(range(min = 1))]
    pub runs: usize,
    /// Time of training within 24 hours, such as `"2h"`. A training that reaches it is stopped, and the champion stays.
    /// Default: no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time: Option<String>,
}

/// Watch over a promoted version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct WatchRollback {
    /// Time after the promotion during which the promoted version is compared with the earlier one on recent rows that
    /// arrive, such as `"24h"`. Worse by the whole 95 % interval of the difference, it is rolled back.
    pub within: String,
    /// Number of recent rows below which nothing is concluded.
    #[schemars(range(min = 1))]
    pub rows: usize,
}

impl Default for Watch {
    fn default() -> Self {
        Self {
            on: WatchTriggers::default(),
            every: "10m".to_owned(),
            dataset: None,
            recent: None,
            alias: "production".to_owned(),
            challenger: WatchClaim::NoWorse,
            metric: None,
            approval: false,
            warm_start: false,
            tune: false,
            cooldown: "1h".to_owned(),
            quiet: Vec::new(),
            zone: "+00:00".to_owned(),
            budget: WatchBudget::default(),
            rollback: WatchRollback::default(),
            live: None,
        }
    }
}

impl Default for WatchBudget {
    fn default() -> Self {
        Self { runs: 4, time: None }
    }
}

impl Default for WatchRollback {
    fn default() -> Self {
        Self { within: "24h".to_owned(), rows: 100 }
    }
}

static NONE: LazyLock<Gate> = LazyLock::new(Gate::default);

impl Watch {
    /// Conditions on the champion's metrics on recent rows; a broken one is a reason to train.
    pub fn accuracy(&self) -> &Gate {
        self.on.accuracy.as_ref().unwrap_or(&NONE)
    }

    /// Key and requirement of the claim against an alias or version; `None` without a claim.
    pub fn claim(&self, against: &str) -> Option<(String, &'static str)> {
        let requirement = self.challenger.requirement()?;
        Some((self.comparison(against), requirement))
    }

    /// Key of a condition that compares with an alias or version, by the metric of the claim.
    pub fn comparison(&self, against: &str) -> String {
        let metric = self.metric.as_ref().map(|metric| format!("/{metric}")).unwrap_or_default();
        format!("versus {against}{metric}")
    }

    /// Seconds between two looks.
    pub fn every_seconds(&self) -> f64 {
        seconds(&self.every)
    }

    /// Seconds of the cool-down.
    pub fn cooldown_seconds(&self) -> f64 {
        seconds(&self.cooldown)
    }

    /// Seconds of training within 24 hours; `None` without a limit.
    pub fn budget_seconds(&self) -> Option<f64> {
        self.budget.time.as_deref().map(seconds)
    }

    /// Seconds after a promotion during which it may be rolled back.
    pub fn rollback_seconds(&self) -> f64 {
        seconds(&self.rollback.within)
    }
}

/// Seconds of a time; `0s` is none.
fn seconds(text: &str) -> f64 {
    parse_time(text).unwrap_or(0.0)
}

/// `true` for a time such as `30m`, or for none, such as `0s`.
pub(crate) fn is_time_or_zero(text: &str) -> bool {
    parse_time(text).is_some() || matches!(text.trim(), "0" | "0s" | "0m" | "0h" | "0d")
}
