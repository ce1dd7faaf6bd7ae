//! `[train.optimizer]` and `[[train.groups]]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Update rule and its numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Optimizer {
    /// Which rule.
    pub kind: OptimizerKind,
    /// Peak learning rate.
    #[schemars(range(min = 0.0))]
    pub learning_rate: f64,
    /// Decoupled (`AdamW`, Lion, Muon, Adafactor) or L2 (SGD) weight decay. Biases, norms and learned
    /// tokens do not decay.
    #[schemars(range(min = 0.0))]
    pub weight_decay: f64,
    /// Momentum of SGD.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub momentum: f64,
    /// Nesterov's form of the momentum.
    pub nesterov: bool,
    /// Decay of the two moments of `AdamW` (default 0.9, 0.999) or of Lion (0.9, 0.99).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub betas: Option<[f64; 2]>,
}

/// Which update rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// Loshchilov and Hutter 2019, `betas = (0.9, 0.999)`, `eps = 1e-8`.
    Adamw,
    /// Stochastic gradient descent.
    Sgd,
    /// Signs of a moving average (Chen et al. 2023).
    Lion,
    /// Orthogonalised momentum (Jordan et al. 2024) for the matrices of the trunk, with `AdamW`'s
    /// step size (Liu et al. 2025, 2.2); `AdamW` for all else.
    Muon,
    /// Factored second moments (Shazeer and Stern 2018), the learning rate as it is scheduled.
    Adafactor,
}

/// Weights with settings of their own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Names as in the package, `*` for any text: `head.*`, `trunk.0.weight`.
    pub weights: String,
    /// Multiplies the learning rate; 0 keeps them as they are.
    #[serde(default = "whole")]
    #[schemars(range(min = 0.0))]
    pub rate: f64,
    /// In place of `optimizer.weight_decay`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight_decay: Option<f64>,
}

fn whole() -> f64 {
    1.0
}
