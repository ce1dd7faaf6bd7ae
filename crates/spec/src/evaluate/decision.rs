//! Keys of `[evaluate]` that change predictions: calibration of probabilities, and threshold of the positive class.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Calibration of the probabilities of classes, fitted on the valid split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CalibrationMethod {
    /// Logits divided by one number (Guo et al. 2017). It never changes the likeliest class.
    Temperature,
    /// A sigmoid for each class (Platt 1999).
    Platt,
    /// A rising curve for each class (Zadrozny and Elkan 2002). It requires many rows.
    Isotonic,
}

/// Goal of the probability from which a row counts as positive, tuned on the valid split.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ThresholdGoal {
    /// Largest value of a score.
    Score(ThresholdScore),
    /// Goal with a number.
    Bound(ThresholdBound),
}

/// Score that a threshold is tuned for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ThresholdScore {
    /// Harmonic mean of precision and recall.
    F1,
}

/// Goal with a number: one of `f_beta`, `precision` and `recall`, or the two costs.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ThresholdBound {
    /// Largest F-beta, in which recall counts this many times as much as precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 100.0))]
    pub f_beta: Option<f64>,
    /// Largest recall with at least this precision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub precision: Option<f64>,
    /// Largest precision with at least this recall.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub recall: Option<f64>,
    /// Cost of a row that is wrongly positive; the sum of the costs is the least.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub false_positive: Option<f64>,
    /// Cost of a row that is wrongly negative.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0))]
    pub false_negative: Option<f64>,
}

impl ThresholdBound {
    /// `true` if exactly one goal is named, a cost with both of its numbers.
    pub(crate) fn is_one_goal(&self) -> bool {
        let cost = [self.false_positive, self.false_negative];
        let goals = [self.f_beta, self.precision, self.recall].iter().flatten().count();
        match cost.iter().flatten().count() {
            0 => goals == 1,
            2 => goals == 0,
            _ => false,
        }
    }
}
