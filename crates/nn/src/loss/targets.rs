//! Encoded targets of a batch.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// Targets of a batch, encoded for a loss.
#[derive(Debug, Clone)]
pub enum LossTargets {
    /// `[batch]` class indices.
    Class(Tensor<1, Int>),
    /// `[batch]` numbers; for a binary target 0 or 1.
    Number(Tensor<1>),
    /// `[batch, width]` numbers; the loss of an example is their mean.
    Vector(Tensor<2>),
}

impl LossTargets {
    /// Copies class indices to a device.
    pub fn classes(values: Vec<i32>, device: &Device) -> Self {
        let n = values.len();
        Self::Class(Tensor::from_data(TensorData::new(values, [n]), device))
    }

    /// Copies numbers to a device.
    pub fn numbers(values: Vec<f32>, device: &Device) -> Self {
        let n = values.len();
        Self::Number(Tensor::from_data(TensorData::new(values, [n]), device))
    }

    /// Copies `width` numbers for each example to a device.
    pub fn vectors(values: Vec<f32>, width: usize, device: &Device) -> Self {
        let rows = values.len() / width.max(1);
        Self::Vector(Tensor::from_data(TensorData::new(values, [rows, width]), device))
    }

    /// Repeats each value `times` times in consecutive rows, once for each member of an ensemble.
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
