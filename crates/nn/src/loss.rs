//! Losses as sums over a batch.

mod targets;

use burn::tensor::{Int, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

pub use self::targets::LossTargets;

use crate::fused::target_log_probabilities;

/// Loss of one example.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `torch.nn.CrossEntropyLoss` on class indices.
    CrossEntropy,
    /// `torch.nn.BCEWithLogitsLoss` on one logit.
    BinaryCrossEntropy,
    /// `torch.nn.MSELoss` on one value.
    MeanSquared,
    /// Cross-entropy times `(1 - p)^gamma` (Lin et al. 2017).
    Focal {
        /// Exponent of the focusing factor.
        gamma: f64,
    },
    /// The focal loss on one logit.
    BinaryFocal {
        /// Exponent of the focusing factor.
        gamma: f64,
    },
    /// `torch.nn.HuberLoss` on one value.
    Huber {
        /// Error at which the loss becomes linear.
        delta: f64,
    },
    /// The pinball loss on one value (Koenker and Bassett 1978).
    Quantile {
        /// Quantile that minimises the loss.
        quantile: f64,
    },
}

/// A loss with label smoothing and class weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// Loss of one example.
    pub loss: Loss,
    /// Part of a class's probability that is spread over all classes.
    pub label_smoothing: f64,
    /// Weight of each class; empty if all are 1.
    pub class_weights: Vec<f32>,
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        Self { loss, label_smoothing: 0.0, class_weights: Vec::new() }
    }
}

impl Loss {
    /// Mean loss `[1]` of logits `[batch, output]`.
    pub fn mean(self, logits: Tensor<2>, targets: LossTargets) -> Tensor<1> {
        let rows = logits.dims()[0];
        #[allow(clippy::cast_precision_loss)]
        Objective::from(self).sum(logits, targets).div_scalar(rows as f64)
    }
}

impl Objective {
    /// Sum `[1]` over the batch of each example's loss times the weight of its class.
    pub fn sum(&self, logits: Tensor<2>, targets: LossTargets) -> Tensor<1> {
        match (self.loss, targets) {
            (_, LossTargets::Vector(y)) => {
                let width = y.dims()[1];
                #[allow(clippy::cast_precision_loss)]
                let each = self.sum(logits.reshape([-1, 1]), LossTargets::Number(y.flatten(0, 1)));
                each.div_scalar(width as f64)
            }
            (Loss::CrossEntropy | Loss::Focal { .. }, LossTargets::Class(class)) => {
                self.classes(logits, class)
            }
            (Loss::BinaryCrossEntropy | Loss::BinaryFocal { .. }, LossTargets::Number(y)) => {
                self.binary(logits.flatten(0, 1), y)
            }
            (Loss::MeanSquared, LossTargets::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                (x - y).square().sum()
            }
            (Loss::Huber { delta }, LossTargets::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                let off = (x - y).abs();
                // The part up to delta counts as a square, the rest as a line of slope delta.
                let near = off.clone().clamp_max(delta);
                let far = off - near.clone();
                (near.square().mul_scalar(0.5) + far.mul_scalar(delta)).sum()
            }
            (Loss::Quantile { quantile }, LossTargets::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                let short = y - x;
                // max(q d, (q - 1) d) = q d + max(-d, 0)
                (short.clone().mul_scalar(quantile) + activation::relu(short.neg())).sum()
            }
            (loss, targets) => unreachable!("{loss:?} with {targets:?}; callers pair them"),
        }
    }

    fn classes(&self, logits: Tensor<2>, class: Tensor<1, Int>) -> Tensor<1> {
        if self.label_smoothing <= 0.0
            && let Some(log_p) = target_log_probabilities(&logits, &class)
        {
            return self.weigh(log_p, class).0.sum();
        }
        let [rows, classes] = logits.dims();
        let log_p = activation::log_softmax(logits, 1);
        let index: Tensor<2, Int> = class.clone().unsqueeze_dim(1);
        let target_log_p: Tensor<1> = log_p.clone().gather(1, index).reshape([rows]);
        let (each, weights) = self.weigh(target_log_p, class);
        let sum = each.sum();
        if self.label_smoothing <= 0.0 {
            return sum;
        }
        let weighted = match weights {
            Some(weights) => log_p * weights.unsqueeze(),
            None => log_p,
        };
        #[allow(clippy::cast_precision_loss)]
        let spread = weighted.sum().div_scalar(classes as f64).neg();
        sum.mul_scalar(1.0 - self.label_smoothing) + spread.mul_scalar(self.label_smoothing)
    }

    /// Losses `[rows]` by the logarithms of the targets' probabilities, and the weights of the classes if there are any.
    fn weigh(&self, target_log_p: Tensor<1>, class: Tensor<1, Int>) -> (Tensor<1>, Option<Tensor<1>>) {
        let mut each = target_log_p.clone().neg();
        if let Loss::Focal { gamma } = self.loss {
            let rest = target_log_p.exp().neg().add_scalar(1.0).clamp_min(0.0);
            each = each * rest.powf_scalar(gamma);
        }
        let weights = (!self.class_weights.is_empty())
            .then(|| Tensor::<1>::from_data(TensorData::from(self.class_weights.as_slice()), &each.device()));
        if let Some(weights) = &weights {
            each = each * weights.clone().select(0, class);
        }
        (each, weights)
    }

    fn binary(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let s = self.label_smoothing;
        let target = y.clone().mul_scalar(1.0 - s).add_scalar(s / 2.0);
        // max(x, 0) - x y + log(1 + exp(-|x|)), finite for any x.
        let log = x.clone().abs().neg().exp().add_scalar(1.0).log();
        let mut each = activation::relu(x.clone()) - x.clone() * target + log;
        if let Loss::BinaryFocal { gamma } = self.loss {
            // The probability of the other class is that of the negated logit.
            let sign = y.clone().mul_scalar(-2.0).add_scalar(1.0);
            each = each * activation::sigmoid(x * sign).powf_scalar(gamma);
        }
        if let [no, yes] = *self.class_weights {
            each = each * y.mul_scalar(yes - no).add_scalar(no);
        }
        each.sum()
    }
}
