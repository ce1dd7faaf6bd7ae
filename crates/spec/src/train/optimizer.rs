//! `[train.optimizer]` and `[[train.groups]]`: the optimizer, and groups of weights with their own settings.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::train::ShareSchedule;

/// Settings of the optimizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Update rule.
    pub kind: OptimizerKind,
    /// Peak learning rate.
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Weight decay: decoupled (`AdamW`, Lion, Muon, Adafactor) or L2 (SGD). Biases, norms and learned tokens
    /// do not decay.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Momentum of SGD.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    /// Use Nesterov momentum.
    pub nesterov: bool,
    /// Decay of the two moments. Default: 0.9 and 0.999 for `AdamW`, 0.9 and 0.99 for Lion.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
    /// Schedule of the weight decay of `AdamW`.
    #[serde(default)]
    pub decay_schedule: ShareSchedule,
}

/// Update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// `AdamW` (Loshchilov and Hutter 2019) with `eps = 1e-8`.
    Adamw,
    /// Stochastic gradient descent.
    Sgd,
    /// Lion: signs of a moving average (Chen et al. 2023).
    Lion,
    /// Muon: orthogonalised momentum (Jordan et al. 2024) for the matrices of the trunk, with the step size
    /// of `AdamW` (Liu et al. 2025, 2.2); `AdamW` for all other weights.
    Muon,
    /// Adafactor: factored second moments (Shazeer and Stern 2018) with the scheduled learning rate.
    Adafactor,
}

/// Weights with their own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Names of the weights as in the package, with `*` for any text: `head.*`, `trunk.0.weight`.
    pub weights: String,
    /// Factor of the learning rate; 0 freezes the weights.
    #[serde(default = "one")]
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// Weight decay in place of `optimizer.weight_decay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
    /// Divide the rate by the square root of the number of inputs of each weight and multiply the decay by it:
    /// the neural tangent parametrisation (Jacot et al. 2018) for `AdamW`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub width_scaled: bool,
}

fn one() -> f64 {
    1.0
}
