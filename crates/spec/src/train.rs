//! `[train]`: the training loop.

mod loss;
mod optimizer;
mod schedule;
mod tune;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::loss::{ClassWeights, LossKind, LossSpec};
pub use self::optimizer::{Group, Optimizer, OptimizerKind};
pub use self::schedule::{Schedule, ScheduleKind, ShareSchedule};
pub(crate) use self::tune::flatten;
pub use self::tune::{
    InvalidTuneKey, Tune, TuneMetric, TuneMetrics, TunePruner, TuneRange, TuneSampler, TuneSpace, TuneValues,
    parse_time,
};

/// Settings of the training loop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Train {
    /// Number of passes over the training split.
    #[schemars(range(min = 1))]
    pub epochs: usize,
    /// Number of examples of one step, on all devices together; the last batch of an epoch may be smaller.
    /// `"auto"` uses as many as fit into memory.
    #[serde(with = "batch_size")]
    #[schemars(with = "BatchSize")]
    pub batch_size: usize,
    /// Number of examples in memory at once. A step accumulates the gradients of micro-batches of this size,
    /// weighted by their numbers of examples; 0 means the whole batch. Batch norm sees the micro-batches.
    pub micro_batch: usize,
    /// Number format in which the network computes.
    pub precision: Precision,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Loss that is minimised.
    pub loss: LossSpec,
    /// Groups of weights with their own learning rate or weight decay. If several groups match a weight, the
    /// last one applies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Group>,
    /// Schedule of the learning rate.
    pub schedule: Schedule,
    /// Schedule of the probabilities of the `dropout` layers.
    #[serde(default)]
    pub dropout_schedule: ShareSchedule,
    /// Decay of an exponential moving average of the weights, such as 0.999. The average is evaluated and
    /// published in place of the weights; 0 means none.
    #[schemars(range(min = 0.0, max = 0.999_999))]
    pub ema: f64,
    /// Mixup (Zhang et al. 2018): blend each example with another one of its batch by a share drawn from
    /// Beta(`mixup`, `mixup`), such as 0.2; 0 means none. It requires inputs that are numbers or images.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub mixup: f64,
    /// Recompute cheap activations in the backward pass instead of storing them: less memory, more time.
    pub gradient_checkpointing: bool,
    /// Largest global L2 norm of the gradients; larger gradients are scaled down to it. 0 means no clipping.
    #[schemars(range(min = 0.0))]
    pub clip_norm: f64,
    /// Early stopping.
    pub early_stop: EarlyStop,
    /// Number of steps between checkpoints, in addition to the one at the end of each epoch; 0 means none.
    pub checkpoint_every: usize,
    /// Number of steps between evaluations on the valid split; 0 means one at the end of each epoch.
    pub eval_every: usize,
    /// Share of the training rows to use, for a quick trial; of a stream the first rows.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub limit_train: f64,
    /// Share of the valid rows to use for evaluations during training.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub limit_valid: f64,
    /// Time limit in seconds, after which training ends and the model is evaluated and published; 0 means no
    /// limit.
    #[schemars(range(min = 0.0))]
    pub time_budget: f64,
    /// Seed of the draws of the training: weights, order of the rows, dropout, samples of trees. Rows are split by `seed`.
    /// Default: `seed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<u64>,
    /// Metric on the valid split that selects the best epoch. Default: `accuracy`, `roc_auc` for two classes,
    /// `rmse` for a number, or `ndcg_at_10` for a ranking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metric: Option<Goal>,
}

impl Train {
    /// Value of `batch_size` for `"auto"`, until a number is chosen.
    pub const AUTO: usize = 0;

    /// `micro_batch`, or the whole batch if that is 0.
    pub fn examples_at_once(&self) -> usize {
        if self.micro_batch == 0 { self.batch_size } else { self.micro_batch }
    }
}

/// `batch_size` in a config.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum BatchSize {
    /// A number of examples.
    Number(#[schemars(range(min = 1))] usize),
    /// Largest number of examples that fits into memory.
    Auto(Auto),
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Auto {
    Auto,
}

/// Serialisation of a batch size: a number, or `"auto"` for [`Train::AUTO`].
mod batch_size {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Auto, BatchSize, Train};

    #[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
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

/// Number format of activations and gradients. Weights, moments, norms, softmax and loss always have 32 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point.
    Fp32,
    /// 16-bit floating point with 10 bits of fraction. The loss is scaled so that small gradients do not
    /// vanish.
    Fp16,
    /// 16-bit floating point with 7 bits of fraction and the range of 32 bits.
    Bf16,
    /// `bf16` if the device supports it, otherwise `fp16`.
    Mixed,
}

impl Precision {
    /// Name of the format in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fp32 => "fp32",
            Self::Fp16 => "fp16",
            Self::Bf16 => "bf16",
            Self::Mixed => "mixed",
        }
    }
}

/// Metrics that can select the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Loss.
    Loss,
    /// Share of correct classes.
    Accuracy,
    /// Mean of the F1 scores of the classes.
    MacroF1,
    /// Area under the receiver operating characteristic, for two classes or an anomaly score.
    RocAuc,
    /// Root mean squared error.
    Rmse,
    /// Mean absolute error.
    Mae,
    /// Coefficient of determination.
    R2,
    /// Normalised discounted cumulative gain of the first ten rows of each group of a ranking.
    #[serde(rename = "ndcg_at_10")]
    NdcgAt10,
}

impl Goal {
    /// Name of the metric in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loss => "loss",
            Self::Accuracy => "accuracy",
            Self::MacroF1 => "macro_f1",
            Self::RocAuc => "roc_auc",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::R2 => "r2",
            Self::NdcgAt10 => "ndcg_at_10",
        }
    }

    /// `true` if a larger value is better.
    pub fn larger_is_better(self) -> bool {
        !matches!(self, Self::Loss | Self::Rmse | Self::Mae)
    }
}

/// Early stopping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EarlyStop {
    /// Number of evaluations without improvement after which training ends; 0 means never.
    pub patience: usize,
    /// Smallest change of the metric that counts as an improvement.
    #[schemars(range(min = 0.0))]
    pub min_delta: f64,
}
