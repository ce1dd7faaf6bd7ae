//! `[train.loss]`: the loss that is minimised.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Settings of the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossSpec {
    /// Kind of the loss.
    pub kind: LossKind,
    /// Label smoothing: share of the target probability that is spread over all classes (Szegedy et al. 2016,
    /// 7).
    #[schemars(range(min = 0.0, max = 0.99))]
    pub label_smoothing: f64,
    /// Weights of the classes in the loss.
    pub class_weights: ClassWeights,
    /// Exponent of the focal loss.
    #[schemars(range(min = 0.0))]
    pub gamma: f64,
    /// Distance beyond which the Huber loss is linear, in standard deviations of the target.
    #[schemars(range(min = 0.0))]
    pub delta: f64,
    /// Quantile of the target that the quantile loss estimates.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub quantile: f64,
}

/// Kind of the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Cross-entropy for a category, mean squared error for a number.
    Auto,
    /// Focal loss: cross-entropy times `(1 - p)^gamma` (Lin et al. 2017).
    Focal,
    /// Huber loss: squared error up to `delta`, absolute error beyond (Huber 1964), as `torch.nn.HuberLoss`.
    Huber,
    /// Pinball loss (Koenker and Bassett 1978): the prediction is the `quantile` of the target.
    Quantile,
}

/// Weights of the classes in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// The same weight for all classes.
    None,
    /// Weight `rows / (classes * rows of the class)`, as in scikit-learn.
    Balanced,
}
