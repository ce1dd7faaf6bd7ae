//! Losses, as means over the batch.

use burn::tensor::{Device, Int, Tensor, TensorData, activation};
use serde::{Deserialize, Serialize};

/// What is minimised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// `torch.nn.CrossEntropyLoss` on class indices.
    CrossEntropy,
    /// `torch.nn.BCEWithLogitsLoss` on one logit.
    BinaryCrossEntropy,
    /// `torch.nn.MSELoss` on one value.
    MeanSquared,
}

/// What a batch should have been.
#[derive(Debug, Clone)]
pub enum Truth {
    /// `[batch]` class indices.
    Class(Tensor<1, Int>),
    /// `[batch]` numbers; for a binary target 0 or 1.
    Number(Tensor<1>),
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
}

impl Loss {
    /// The loss `[1]` of logits `[batch, output]`.
    pub fn forward(self, logits: Tensor<2>, truth: Truth) -> Tensor<1> {
        match (self, truth) {
            (Self::CrossEntropy, Truth::Class(class)) => {
                let log_p = activation::log_softmax(logits, 1);
                let class: Tensor<2, Int> = class.unsqueeze_dim(1);
                log_p.gather(1, class).mean().neg()
            }
            (Self::BinaryCrossEntropy, Truth::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                // max(x, 0) - x y + log(1 + exp(-|x|)), finite for any x.
                let log = x.clone().abs().neg().exp().add_scalar(1.0).log();
                (activation::relu(x.clone()) - x * y + log).mean()
            }
            (Self::MeanSquared, Truth::Number(y)) => {
                let x: Tensor<1> = logits.flatten(0, 1);
                (x - y).square().mean()
            }
            (loss, truth) => unreachable!("{loss:?} with {truth:?}: `train` pairs them"),
        }
    }
}
