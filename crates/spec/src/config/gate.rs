//! `[gate]`: conditions on the evaluation of a model.

mod condition;
mod metrics;
mod parse;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::condition::{
    GateBound, GateCheck, GateComparator, GateCondition, GateMetric, GateSplit, GateValue, LatencyPercentile,
    SubgroupStatistic, ValueEnd, VersusClaim,
};
use crate::config::target::Target;

/// Conditions that a model has to meet before `latest` moves to it, each as `"VALUE" = "REQUIREMENT"`:
///
/// - `"test/accuracy" = ">= 0.97"`: a metric of the `valid` or `test` split; with several targets
///   `test/TARGET/accuracy`. The end `/low` or `/high` takes a bound of the 95 % confidence interval.
/// - `"subgroup_min/sex/accuracy" = ">= 0.8"`: smallest value over the groups of a column, or of several as
///   `sex*age_band`; `subgroup_max` the largest, `subgroup_gap` their difference or a gap by its name.
/// - `"interval_coverage" = ">= 0.88"`: share of the rows that lie within their prediction intervals or sets.
/// - `"latency_p99_ms" = "<= 5"` and `"latency_p50_ms"`: time of one row in milliseconds.
/// - `"versus champion" = "no worse, 95 %"` or `"better, 95 %"`: comparison with an alias or version of the model
///   on the same rows, by the metric that chose the weights or as in `versus champion/recall`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Gate(BTreeMap<String, String>);

/// Condition that does not parse, or whose value the targets do not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCondition {
    /// Key as written.
    pub key: String,
    /// Description of the problem, and its remedy.
    pub message: String,
}

impl InvalidCondition {
    /// JSON pointer of the condition in a config.
    pub(crate) fn pointer(&self) -> String {
        pointer(&self.key)
    }
}

impl GateCondition {
    /// JSON pointer of the condition in a config.
    pub(crate) fn pointer(&self) -> String {
        pointer(&self.key)
    }
}

fn pointer(key: &str) -> String {
    format!("/gate/{}", key.replace('~', "~0").replace('/', "~1"))
}

impl Gate {
    /// Gate of keys and requirements as a config has them.
    pub fn new(conditions: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(conditions.into_iter().collect())
    }

    /// `true` without conditions.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Conditions on a model with these targets, in the order of their keys.
    ///
    /// # Errors
    /// All conditions that are invalid.
    pub fn parse(&self, targets: &[Target]) -> Result<Vec<GateCondition>, Vec<InvalidCondition>> {
        let (mut conditions, mut invalid) = (Vec::new(), Vec::new());
        for (key, required) in &self.0 {
            match parse::condition(key, required, targets) {
                Ok(check) => {
                    conditions.push(GateCondition { key: key.clone(), required: required.clone(), check });
                }
                Err(message) => invalid.push(InvalidCondition { key: key.clone(), message }),
            }
        }
        if invalid.is_empty() { Ok(conditions) } else { Err(invalid) }
    }
}

#[cfg(test)]
mod tests;
