//! `[train]`: the training loop.

mod loss;
mod optimizer;
mod schedule;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::loss::{ClassWeights, LossKind, LossSpec};
pub use self::optimizer::{Group, Optimizer, OptimizerKind};
pub use self::schedule::{Schedule, ScheduleKind};

/// The training loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Passes over the training split.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Examples in one step, on all devices together; the last batch of an epoch may be smaller. `"auto"`
    /// takes as many as the memory allows.
    #[serde(with = "batch_size")]
    #[schemars(with = "BatchSize")]
    pub batch_size: usize,
    /// Examples that are in memory at once: a step of `batch_size` adds up the gradients of parts of
    /// this size, each weighted by its examples; 0 means the whole batch. Batch norm sees the parts.
    pub micro_batch: usize,
    /// In what the network computes.
    pub precision: Precision,
    /// Update rule.
    pub optimizer: Optimizer,
    /// What is minimised.
    pub loss: LossSpec,
    /// Weights with a learning rate or a weight decay of their own; where several fit, the last one
    /// counts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Learning rate over the steps.
    pub schedule: Schedule,
    /// Decay of an exponential moving average of the weights, which is what is evaluated and
    /// published, such as 0.999; 0 means none.
    #[schemars(range(min = 0.0, max = 0.999_999))]
    pub ema: f64,
    /// Blend each example with another one of its batch, by a share from Beta(`mixup`, `mixup`) (Zhang
    /// et al. 2018), such as 0.2; 0 means none. For inputs that are numbers or images.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub mixup: f64,
    /// Compute cheap activations again in the backward pass in place of keeping them: less memory,
    /// more time.
    pub gradient_checkpointing: bool,
    /// Largest global L2 norm of the gradients; 0 means no clipping.
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
    /// When to stop before the last epoch.
    pub early_stop: EarlyStop,
    /// Also write a checkpoint every so many steps; 0 means at the end of each epoch only.
    pub checkpoint_every: usize,
    /// Evaluate on the valid split every so many steps; 0 means at the end of each epoch.
    pub eval_every: usize,
    /// Share of the training rows to use, for a quick look; of a stream the first ones.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub limit_train: f64,
    /// Share of the valid rows to use in evaluations during training.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub limit_valid: f64,
    /// Seconds of training after which the run ends, evaluates and publishes; 0 means no limit.
    #[schemars(range(min = 0.0))]
    pub time_budget: f64,
    /// Metric on the valid split that picks the best epoch. Default: `accuracy`, `roc_auc`
    /// (binary) or `rmse`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Goal>,
}

impl Train {
    /// Stands for `batch_size = "auto"` until a number is found.
    pub const AUTO: usize = 0;

    /// `micro_batch`, or the whole batch where that is 0.
    pub fn examples_at_once(&self) -> usize {
        if self.micro_batch == 0 { self.batch_size } else { self.micro_batch }
    }
}

/// What may be typed for `batch_size`.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum BatchSize {
    /// So many examples.
    Number(#[schemars(range(min = 1))] usize),
    /// As many as the memory allows.
    Auto(Auto),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Auto {
    Auto,
}

/// A number, or `"auto"` for [`Train::AUTO`].
mod batch_size {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Auto, BatchSize, Train};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    pub fn serialize<S: Serializer>(size: &usize, serializer: S) -> Result<S::Ok, S::Error> {
        match *size {
            Train::AUTO => BatchSize::Auto(Auto::Auto).serialize(serializer),
            size => BatchSize::Number(size).serialize(serializer),
        }
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
        match BatchSize::deserialize(deserializer)? {
            BatchSize::Auto(Auto::Auto) => Ok(Train::AUTO),
            BatchSize::Number(size) => Ok(size),
        }
    }
}

/// In what a network computes; weights, moments, norms, softmax and loss have 32 bits throughout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32 bits.
    Fp32,
    /// 16 bits with 10 of them for the fraction; the loss is scaled so that small gradients do not
    /// vanish.
    Fp16,
    /// 16 bits with 7 of them for the fraction, and the range of 32.
    Bf16,
    /// The one of the two that the device computes in, `bf16` first.
    Mixed,
}

impl Precision {
    /// As typed.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Mixed => "mixed",
        }
    }
}

/// Metrics that can pick the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Goal {
    Loss,
    Accuracy,
    MacroF1,
    RocAuc,
    Rmse,
    Mae,
    R2,
}

impl Goal {
    /// The metric's name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::RocAuc => "roc_auc",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
        }
    }

    /// Whether a larger value is better.
    pub fn larger_is_better(self) -> bool {
        !matches!(self, Self::Loss | Self::Rmse | Self::Mae)
    }
}

/// When to stop before the last epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Evaluations without improvement of the metric; 0 means never.
    pub patience: usize,
    /// Smallest change that counts as an improvement.
    #[schemars(range(min = 0.0))]
    pub min_delta: f64,
}
