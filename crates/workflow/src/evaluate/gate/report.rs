//! Result of a gate.

use serde::{Deserialize, Serialize};

/// Judged conditions of a gate: the content of `gate.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GateReport {
    /// `true` if all conditions passed.
    pub passed: bool,
    /// The conditions, in the order of their keys.
    pub conditions: Vec<JudgedCondition>,
}

/// One condition and its outcome.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct JudgedCondition {
    /// Key as in the config, such as `test/accuracy`.
    pub key: String,
    /// Requirement as in the config, such as `>= 0.97`.
    pub required: String,
    /// Value that was judged; of a comparison the difference to the other model. `None` where it is undefined.
    pub found: Option<f64>,
    /// Bounds of its 95 % confidence interval, if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<(f64, f64)>,
    /// Outcome.
    pub outcome: GateOutcome,
    /// Reason for the outcome, or a remark; `None` for a value that is on the required side.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Reason for which the value may be better or worse than it looks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

impl JudgedCondition {
    /// Reason and warning on one line; empty without both.
    pub fn remark(&self) -> String {
        let warning = self.warning.as_ref().map(|warning| format!("warning: {warning}"));
        self.reason.iter().cloned().chain(warning).collect::<Vec<_>>().join("; ")
    }
}

/// Outcome of a condition. Anything but `passed` breaks the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GateOutcome {
    /// The value is as required.
    Passed,
    /// The value is not as required.
    Broken,
    /// There is no value to judge.
    Undefined,
}

impl GateOutcome {
    /// Name as in `gate.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Broken => "broken",
            Self::Undefined => "undefined",
        }
    }
}

impl GateReport {
    /// Report of judged conditions.
    pub fn new(conditions: Vec<JudgedCondition>) -> Self {
        let passed = conditions.iter().all(|condition| condition.outcome == GateOutcome::Passed);
        Self { passed, conditions }
    }

    /// Conditions that broke the gate.
    pub fn broken(&self) -> impl Iterator<Item = &JudgedCondition> {
        self.conditions.iter().filter(|condition| condition.outcome != GateOutcome::Passed)
    }
}
