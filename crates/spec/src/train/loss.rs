//! `[train.loss]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is minimised.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LossSpec {
    /// Which loss.
    pub kind: LossKind,
    /// Share of each class's target that is spread over all classes (Szegedy et al. 2016, 7).
    #[schemars(range(min = 0.0, max = 0.99))]
    pub label_smoothing: f64,
    /// `balanced` weights a class by `rows / (classes * its rows)`, as scikit-learn has it.
    pub class_weights: ClassWeights,
    /// Exponent of the focal loss.
    #[schemars(range(min = 0.0))]
    pub gamma: f64,
    /// Where the Huber loss turns linear, in standard deviations of the target.
    #[schemars(range(min = 0.0))]
    pub delta: f64,
    /// Quantile that the quantile loss finds.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub quantile: f64,
}

/// Which loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LossKind {
    /// Cross-entropy for a category, the mean square for a number.
    Auto,
    /// Cross-entropy times `(1 - p)^gamma` (Lin et al. 2017).
    Focal,
    /// Squares near the target, absolute differences beyond `delta` (Huber 1964), as
    /// `torch.nn.HuberLoss`.
    Huber,
    /// The pinball loss (Koenker and Bassett 1978): the answer is the `quantile` of the target.
    Quantile,
}

/// Weights of the classes in the loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ClassWeights {
    /// All alike.
    None,
    /// The rarer, the heavier.
    Balanced,
}
