//! `[evaluate]`: contents of the evaluation at the end of a run.

mod decision;
mod uncertainty;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::decision::{CalibrationMethod, ThresholdBound, ThresholdGoal, ThresholdScore};
pub use self::uncertainty::{Uncertainty, UncertaintyMethod};

/// Evaluation at the end of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Evaluate {
    /// Columns whose groups get metrics of their own, alone and crossed in pairs, such as `sex` and `age_band`. They may
    /// be computed by `[[features]]` and need not be inputs. A column of more than 10 different numbers is cut into four
    /// bands at its quartiles.
    #[schemars(length(max = 6))]
    pub subgroups: Vec<String>,
    /// Rows that a group needs to be reported.
    #[schemars(range(min = 1))]
    pub min_support: usize,
    /// Resamples of the bootstrap behind the 95 % intervals; 0 leaves the intervals out.
    #[schemars(range(min = 0, max = 100_000))]
    pub resamples: usize,
    /// Write `report.html` into the folder of the run.
    pub report: bool,
    /// Calibration of the probabilities of classes, fitted on the valid split and sealed in the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration: Option<CalibrationMethod>,
    /// Goal of the probability from which a row counts as the positive of two classes: `"f1"`, `{ f_beta = 2 }`,
    /// `{ precision = 0.9 }`, `{ recall = 0.9 }` or `{ false_positive = 1, false_negative = 5 }`. It is tuned on the valid
    /// split, after the calibration, and sealed in the package. Default: the likelier class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threshold: Option<ThresholdGoal>,
}

impl Default for Evaluate {
    fn default() -> Self {
        Self {
            subgroups: Vec::new(),
            min_support: 30,
            resamples: 1000,
            report: true,
            calibration: None,
            threshold: None,
        }
    }
}
