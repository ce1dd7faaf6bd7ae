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

/// Linear layer whose weight is packed as it arrives, so that it is never in memory twice.
pub struct LinearBuilder {
    weight: Weight,
    input: usize,
    output: usize,
    /// Number of rows that have arrived.
    rows: usize,
}

impl LinearBuilder {
    /// Layer of `input` values to `output`, with a weight of zeros.
    ///
    /// An input wider than [`QuantizedMatrix::MAX_INPUT`] stays in 32-bit floats.
    pub fn new(input: usize, output: usize, format: WeightFormat) -> Self {
        let weight = match format {
            WeightFormat::Int8 if input <= QuantizedMatrix::MAX_INPUT => {
                Weight::Int8(QuantizedMatrix::zeros(input, output))
            }
            _ => Weight::F32(PackedMatrix::zeros(input, output)),
        };
        Self { weight, input, output, rows: 0 }
    }

    /// Packs the next rows of the weight `[output, input]`, as `PyTorch` stores it.
    pub fn push_rows(&mut self, rows: &[f32]) {
        match &mut self.weight {
            Weight::F32(weight) => weight.write_rows(self.rows, rows, self.input),
            Weight::Int8(weight) => weight.write_rows(self.rows, rows),
        }
        self.rows += rows.len() / self.input.max(1);
    }

    /// The layer with a bias `[output]`.
    pub fn finish(self, bias: Option<Vec<f32>>) -> LinearKernel {
        let Self { weight, input, output, .. } = self;
        LinearKernel { weight, bias, input, output, activation: None }
    }
}

impl LinearKernel {
    /// Packs a weight `[output, input]`, as `PyTorch` stores it, and a bias `[output]`.
    pub fn new(weight: &[f32], bias: Option<Vec<f32>>, input: usize, format: WeightFormat) -> Self {
        let mut builder = LinearBuilder::new(input, weight.len() / input.max(1), format);
        builder.push_rows(weight);
        builder.finish(bias)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_in_parts_gives_the_layer_of_the_whole() {
        let values =
            |count: usize| -> Vec<f32> { (0..count).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect() };
        for format in [WeightFormat::F32, WeightFormat::Int8] {
            for (input, output) in [(1, 1), (5, 17), (64, 48), (33, 100)] {
                let (weight, bias, x) = (values(input * output), values(output), values(3 * input));
                let whole = LinearKernel::new(&weight, Some(bias.clone()), input, format);
                let mut builder = LinearBuilder::new(input, output, format);
                weight.chunks(7 * input).for_each(|rows| builder.push_rows(rows));
                assert_eq!(builder.finish(Some(bias)).forward(&x), whole.forward(&x), "{format:?} {output}");
            }
        }
    }
}
