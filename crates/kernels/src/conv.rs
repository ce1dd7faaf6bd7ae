//! Convolutions of images, as products of the weights with the patches that they cover (Chellapilla et al. 2006,
//! section 3).

use rayon::prelude::*;

use crate::matmul::{BLOCK_COLUMNS, MatrixWriter, PackedMatrix, multiply, multiply_part};
use crate::pointwise::{Pointwise, activate};

/// Two-dimensional convolution, with the batch norm and activation that follow it.
pub struct Conv2dKernel {
    /// `[output, channels * kernel * kernel]`
    weight: Vec<f32>,
    /// `[output]`
    bias: Vec<f32>,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// Activation that is applied to the output.
    pub activation: Option<Pointwise>,
}

/// Channels, height and width.
type ImageShape = [usize; 3];

impl Conv2dKernel {
    /// Creates a convolution from a weight `[output, channels, kernel, kernel]` and a bias `[output]`.
    pub fn new(
        weight: Vec<f32>,
        output: usize,
        bias: Option<Vec<f32>>,
        kernel: usize,
        [stride, padding]: [usize; 2],
    ) -> Self {
        let bias = bias.unwrap_or_else(|| vec![0.0; output]);
        Self { weight, bias, kernel, stride, padding, activation: None }
    }

    /// Folds a scale and a shift `[output]` of the output into weight and bias.
    pub fn fold_affine(&mut self, scale: &[f32], shift: &[f32]) {
        let wide = self.weight.len() / self.bias.len().max(1);
        for (row, scale) in self.weight.chunks_exact_mut(wide.max(1)).zip(scale) {
            for weight in row {
                *weight *= scale;
            }
        }
        for ((bias, scale), shift) in self.bias.iter_mut().zip(scale).zip(shift) {
            *bias = *bias * scale + shift;
        }
    }

    /// Shape `[output, height, width]` of the output; height or width is 0 if the image is smaller than the kernel.
    pub fn output_shape(&self, [_, height, width]: ImageShape) -> ImageShape {
        let along = |length: usize| {
            let room = length + 2 * self.padding;
            if room < self.kernel { 0 } else { (room - self.kernel) / self.stride + 1 }
        };
        [self.bias.len(), along(height), along(width)]
    }

    /// Maps `x` `[rows, channels, height, width]` to `[rows, output, height, width]`; `shape` is
    /// `[channels, height, width]`.
    pub fn forward(&self, x: &[f32], shape: ImageShape) -> Vec<f32> {
        let [output, high, wide] = self.output_shape(shape);
        let (image, pixels) = (shape.iter().product::<usize>(), high * wide);
        let rows = x.len() / image.max(1);
        let mut y = vec![0.0; rows * output * pixels];
        if pixels == 0 {
            return y;
        }
        let deep = self.weight.len() / output.max(1);
        let one = |patches: &mut PackedMatrix, x: &[f32], y: &mut [f32], alone: bool| {
            patches.fill(deep, pixels, |to| self.patches(x, shape, to));
            let of = patches.times(&self.weight, output, deep);
            if alone {
                multiply(&of, y);
            } else {
                multiply_part(&of, 0..output, 0..pixels.div_ceil(BLOCK_COLUMNS), y, pixels);
            }
            for (channel, bias) in y.chunks_exact_mut(pixels).zip(&self.bias) {
                for y in channel {
                    *y += bias;
                }
            }
            if let Some(function) = self.activation {
                activate(function, y);
            }
        };
        let work = rows * output * deep * pixels;
        if rows < rayon::current_num_threads() || work < 1 << 20 {
            let mut patches = PackedMatrix::default();
            let each = x.chunks_exact(image).zip(y.chunks_exact_mut(output * pixels));
            each.for_each(|(x, y)| one(&mut patches, x, y, true));
        } else {
            let each = x.par_chunks_exact(image).zip(y.par_chunks_exact_mut(output * pixels));
            each.for_each_init(PackedMatrix::default, |patches, (x, y)| one(patches, x, y, false));
        }
        y
    }

    /// Writes the patches as columns; padding stays zero.
    fn patches(&self, x: &[f32], shape: ImageShape, to: &mut MatrixWriter<'_>) {
        let [channels, height, width] = shape;
        let [_, high, wide] = self.output_shape(shape);
        let (kernel, stride, padding) = (self.kernel, self.stride, self.padding);
        for channel in 0..channels {
            for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                let index = (channel * kernel + ky) * kernel + kx;
                for row in 0..high {
                    let Some(y) = (row * stride + ky).checked_sub(padding).filter(|y| *y < height) else {
                        continue;
                    };
                    let line = &x[(channel * height + y) * width..][..width];
                    for column in 0..wide {
                        if let Some(value) =
                            (column * stride + kx).checked_sub(padding).and_then(|x| line.get(x))
                        {
                            to.set(index, row * wide + column, *value);
                        }
                    }
                }
            }
        }
    }
}
