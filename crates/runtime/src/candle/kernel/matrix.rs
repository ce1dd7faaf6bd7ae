//! Linear maps.

use cupola_spec::Activation;

use super::functions::activate;
use super::int8::Quantized;
use super::packed::Packed;
use super::rows::each;
use super::tile::product;

/// How a map's weights are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// As they are.
    Float,
    /// In 8 bits, and so are the values that go in.
    Int8,
}

/// `y = f(x W + b)`
pub struct Linear {
    weight: Weight,
    bias: Option<Vec<f32>>,
    input: usize,
    /// Width of what comes out.
    pub output: usize,
    /// Applied to what comes out.
    pub activation: Option<Activation>,
}

enum Weight {
    Float(Packed),
    Int8(Quantized),
}

impl Linear {
    /// Of a weight `[output, input]`, as `PyTorch` has it.
    pub fn new(weight: &[f32], bias: Option<Vec<f32>>, input: usize, precision: Precision) -> Self {
        let output = weight.len() / input.max(1);
        let weight = match precision {
            Precision::Int8 if input <= Quantized::WIDEST => Weight::Int8(Quantized::new(weight, input)),
            _ => Weight::Float(Packed::of_rows(weight, [output, input], input)),
        };
        Self { weight, bias, input, output, activation: None }
    }

    /// `[rows, input]` to `[rows, output]`.
    pub fn forward(&self, x: &[f32]) -> Vec<f32> {
        let rows = x.len() / self.input.max(1);
        let mut y = vec![0.0; rows * self.output];
        match &self.weight {
            Weight::Float(weight) => product(&weight.times(x, rows, self.input), &mut y),
            Weight::Int8(weight) => product(&weight.times(x), &mut y),
        }
        if let Some(bias) = &self.bias {
            each(
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
