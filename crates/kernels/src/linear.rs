//! Linear layers.

use crate::int8::QuantizedMatrix;
use crate::matmul::{PackedMatrix, multiply};
use crate::pointwise::{Pointwise, activate};
use crate::simd::for_each_row;

/// Storage format of a layer's weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WeightFormat {
    /// 32-bit floats.
    F32,
    /// 8-bit integers with a scale for each column; inputs are quantised as well.
    Int8,
}

/// Linear layer `y = f(x W^T + b)` with packed weights.
pub struct LinearKernel {
    weight: Weight,
    bias: Option<Vec<f32>>,
    input: usize,
    /// Width of the output.
    pub output: usize,
    /// Activation that is applied to the output.
    pub activation: Option<Pointwise>,
}

enum Weight {
    F32(PackedMatrix),
    Int8(QuantizedMatrix),
}

impl LinearKernel {
    /// Packs a weight `[output, input]`, as `PyTorch` stores it, and a bias `[output]`.
    ///
    /// An input wider than [`QuantizedMatrix::MAX_INPUT`] stays in 32-bit floats.
    pub fn new(weight: &[f32], bias: Option<Vec<f32>>, input: usize, format: WeightFormat) -> Self {
        let output = weight.len() / input.max(1);
        let weight = match format {
            WeightFormat::Int8 if input <= QuantizedMatrix::MAX_INPUT => {
                Weight::Int8(QuantizedMatrix::new(weight, input))
            }
            _ => Weight::F32(PackedMatrix::from_rows(weight, [output, input], input)),
        };
        Self { weight, bias, input, output, activation: None }
    }

    /// Maps `x` `[rows, input]` to `[rows, output]`.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.input.max(1);
        let mut y = vec![0.0; rows * self.output];
        match &self.weight {
            Weight::F32(weight) => multiply(&weight.times(x, rows, self.input), &mut y),
            Weight::Int8(weight) => multiply(&weight.times(x), &mut y),
        }
        if let Some(bias) = &self.bias {
            for_each_row(
                &mut y,
                self.output,
                #[inline(always)]
                |row| {
                    for (y, b) in row.iter_mut().zip(bias) {
                        *y += b;
                    }
                },
            );
        }
        if let Some(function) = self.activation {
            activate(function, &mut y);
        }
        y
    }
}
