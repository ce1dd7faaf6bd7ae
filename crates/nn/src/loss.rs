//! Losses, as sums over the batch.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

/// What is minimised, for one example.
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
        /// Its exponent.
        gamma: f64,
    },
    /// The same on one logit.
    BinaryFocal {
        /// Its exponent.
        gamma: f64,
    },
    /// `torch.nn.HuberLoss` on one value.
    Huber {
        /// Where it turns linear.
        delta: f64,
    },
    /// The pinball loss on one value (Koenker and Bassett 1978).
    Quantile {
        /// The quantile that minimises it.
        quantile: f64,
    },
}

/// A loss with what training adds to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Objective {
    /// For one example.
    pub loss: Loss,
    /// Share of a class's target that is spread over all classes.
    pub label_smoothing: f64,
    /// Weight of each class; empty where all are alike.
    pub class_weights: Vec<f32>,
}

impl From<Loss> for Objective {
    fn from(loss: Loss) -> Self {
        Self { loss, label_smoothing: 0.0, class_weights: Vec::new() }
    }
}

/// What a batch should have been.
#[derive(Debug, Clone)]
pub enum Truth {
    /// `[batch]` class indices.
    Class(Tensor<1, Int>),
    /// `[batch]` numbers; for a binary target 0 or 1.
    Number(Tensor<1>),
    /// `[batch, width]` numbers, whose losses are averaged for each example.
    Vector(Tensor<2>),
}

impl Truth {
    /// Class indices on a device.
    pub fn classes(values: Vec<i32>, device: &Device) -> Self {
        let n = values.len();
        Self::Class(Tensor::from_data(TensorData::new(values, [n]), device))
    }

    /// Numbers on a device.
    pub fn numbers(values: Vec<f32>, device: &Device) -> Self {
        let n = values.len();
        Self::Number(Tensor::from_data(TensorData::new(values, [n]), device))
    }

    /// `width` numbers for each example on a device.
    pub fn vectors(values: Vec<f32>, width: usize, device: &Device) -> Self {
        let rows = values.len() / width.max(1);
        Self::Vector(Tensor::from_data(TensorData::new(values, [rows, width]), device))
    }

    /// Each value `times` times, one after the other: for the members of an ensemble.
    #[must_use]
    pub fn repeat(self, times: usize) -> Self {
        if times == 1 {
            return self;
        }
        match self {
            Self::Class(x) => {
                let n = x.dims()[0];
                let x: Tensor<2, Int> = x.unsqueeze_dim(1);
                Self::Class(x.repeat_dim(1, times).reshape([n * times]))
            }
            Self::Number(x) => {
                let n = x.dims()[0];
                let x: Tensor<2> = x.unsqueeze_dim(1);
                Self::Number(x.repeat_dim(1, times).reshape([n * times]))
            }
            Self::Vector(x) => {
                let [n, width] = x.dims();
                let x: Tensor<3> = x.unsqueeze_dim(1);
                Self::Vector(x.repeat_dim(1, times).reshape([n * times, width]))
            }
        }
    }
}

impl Loss {
    /// The mean loss `[1]` of logits `[batch, output]`.
    pub fn mean(self, logits: Tensor<2>, truth: Truth) -> Tensor<1> {
        let rows = logits.dims()[0];
        #[allow(clippy::cast_precision_loss)]
        Objective::from(self).sum(logits, truth).div_scalar(rows as f64)
    }
}

impl Objective {
    /// The sum `[1]` over the batch of each example's loss times its class's weight.
    pub fn sum(&self, logits: Tensor<2>, truth: Truth) -> Tensor<1> {
        match (self.loss, truth) {
            (_, Truth::Vector(y)) => {
                let width = y.dims()[1];
                #[allow(clippy::cast_precision_loss)]
                let each = self.sum(logits.reshape([-1, 1]), Truth::Number(y.flatten(0, 1)));
                each.div_scalar(width as f64)
            }
            (Loss::CrossEntropy | Loss::Focal { .. }, Truth::Class(class)) => self.classes(logits, class),
            (Loss::BinaryCrossEntropy | Loss::BinaryFocal { .. }, Truth::Number(y)) => {
                self.binary(logits.flatten(0, 1), y)
            }
            (Loss::MeanSquared, Truth::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                (x - y).square().sum()
            }
            (Loss::Huber { delta }, Truth::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                let off = (x - y).abs();
                // The part up to delta counts as a square, the rest as a line of slope delta.
                let near = off.clone().clamp_max(delta);
                let far = off - near.clone();
                (near.square().mul_scalar(0.5) + far.mul_scalar(delta)).sum()
            }
            (Loss::Quantile { quantile }, Truth::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                let short = y - x;
                // max(q d, (q - 1) d) = q d + max(-d, 0)
                (short.clone().mul_scalar(quantile) + activation::relu(short.neg())).sum()
            }
            (loss, truth) => unreachable!("{loss:?} with {truth:?}: `train` pairs them"),
        }
    }

    fn classes(&self, logits: Tensor<2>, class: Tensor<1, Int>) -> Tensor<1> {
        let [rows, classes] = logits.dims();
        let log_p = activation::log_softmax(logits, 1);
        let index: Tensor<2, Int> = class.clone().unsqueeze_dim(1);
        let own: Tensor<1> = log_p.clone().gather(1, index).reshape([rows]);
        let mut each = own.clone().neg();
        if let Loss::Focal { gamma } = self.loss {
            let rest = own.exp().neg().add_scalar(1.0).clamp_min(0.0);
            each = each * rest.powf_scalar(gamma);
        }
        let weights = (!self.class_weights.is_empty())
            .then(|| Tensor::<1>::from_data(TensorData::from(self.class_weights.as_slice()), &each.device()));
        if let Some(weights) = &weights {
            each = each * weights.clone().select(0, class);
        }
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

    fn binary(&self, x: Tensor<1>, y: Tensor<1>) -> Tensor<1> {
        let s = self.label_smoothing;
        let target = y.clone().mul_scalar(1.0 - s).add_scalar(s / 2.0);
        // max(x, 0) - x y + log(1 + exp(-|x|)), finite for any x.
        let log = x.clone().abs().neg().exp().add_scalar(1.0).log();
        let mut each = activation::relu(x.clone()) - x.clone() * target + log;
        if let Loss::BinaryFocal { gamma } = self.loss {
            // The probability of the other class is that of the logit with its sign turned.
            let sign = y.clone().mul_scalar(-2.0).add_scalar(1.0);
            each = each * activation::sigmoid(x * sign).powf_scalar(gamma);
        }
        if let [no, yes] = *self.class_weights {
            each = each * y.mul_scalar(yes - no).add_scalar(no);
        }
        each.sum()
    }
}
