//! `[uncertainty]`: intervals and sets of classes that hold the target with a stated probability.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Conformal prediction: intervals of numbers and sets of classes, calibrated on rows of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Uncertainty {
    /// Method of the scores.
    pub method: UncertaintyMethod,
    /// Probability with which an interval or a set holds the target, where a request does not ask for another one.
    #[serde(default = "coverage")]
    #[schemars(range(min = 0.01, max = 0.999))]
    pub coverage: f64,
    /// Share of all rows that calibrates. They are taken from the training rows, and the model does not learn from them.
    #[serde(default = "share")]
    #[schemars(range(min = 0.001, max = 0.5))]
    pub share: f64,
    /// Column whose values are calibrated apart, so that the coverage holds for each of them (Mondrian). It must be a
    /// column of the rows that the model takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Penalty of `raps` for each class of a set beyond the first `free` ones; 0 for APS.
    #[serde(default = "penalty")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub penalty: f64,
    /// Number of classes without the penalty of `raps`.
    #[serde(default = "free")]
    pub free: usize,
}

impl Uncertainty {
    /// Share of all rows that calibrates; `None` for a method without rows of their own.
    pub fn calibration_share(&self) -> Option<f64> {
        (self.method != UncertaintyMethod::CvPlus).then_some(self.share)
    }
}

/// Method of conformal prediction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum UncertaintyMethod {
    /// Prediction ± a quantile of the absolute residuals for a number, `lac` for a class.
    Split,
    /// CV+ (Barber et al. 2021): no rows are set aside, since the residuals are those of a cross-validation, whose models
    /// are all in the package. `cupola cv` trains it.
    CvPlus,
    /// Conformalised quantile regression (Romano et al. 2019): wider intervals for harder rows. The model predicts two
    /// quantiles beside the number.
    Cqr,
    /// Regularised adaptive prediction sets (Angelopoulos et al. 2021): larger sets for harder rows.
    Raps,
    /// Classes above one probability (Sadinle et al. 2019): the smallest sets on average.
    Lac,
}

fn coverage() -> f64 {
    0.9
}

fn share() -> f64 {
    0.1
}

// The values that Angelopoulos et al. (2021) give for ImageNet, 0.01 and 5, fill up the sets of an accurate model of ten
// classes: 3.8 classes each at a coverage of 0.95, where these give 1.1.
fn penalty() -> f64 {
    0.1
}

fn free() -> usize {
    1
}
