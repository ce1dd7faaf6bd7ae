//! `[train]`: the loop.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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

/// Learning rate over the steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// The shape after the warm-up.
    pub kind: ScheduleKind,
    /// Steps of linear warm-up from 0.
    pub warmup_steps: usize,
    /// Last learning rate as a share of the peak.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub final_ratio: f64,
    /// For `step` and `plateau`: what the rate is multiplied with.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub factor: f64,
    /// For `step`: epochs between two changes.
    #[schemars(range(min = 1))]
    pub step_epochs: usize,
    /// For `plateau`: evaluations without improvement before a change.
    #[schemars(range(min = 1))]
    pub patience: usize,
}

/// Shape of the learning rate after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleKind {
    /// The peak throughout.
    Constant,
    /// Half a cosine from the peak to `final_ratio` of it at the last step.
    Cosine,
    /// A line from the peak to `final_ratio` of it at the last step.
    Linear,
    /// Times `factor` every `step_epochs` epochs.
    Step,
    /// Half a cosine from a 25th of the peak up to it over 30 % of the steps, then half a cosine down
    /// to `final_ratio` of it (Smith and Topin 2018), as `torch.optim.lr_scheduler.OneCycleLR`; it
    /// needs no warm-up.
    OneCycle,
    /// Times `factor` when the metric has not improved for `patience` evaluations.
    Plateau,
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
