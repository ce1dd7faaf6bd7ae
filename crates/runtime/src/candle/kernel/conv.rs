//! Convolutions of images, as products of their weights with the patches that they see (Chellapilla et al.
//! 2006, section 3).

use cupola_spec::Activation;
use rayon::prelude::*;

use super::functions::activate;
use super::packed::{Packed, Setter};
use super::tile::{COLUMNS, part, product};

/// A convolution, and what follows it while its values are near.
pub struct Conv {
    /// `[output, channels * kernel * kernel]`
    weight: Vec<f32>,
    /// `[output]`
    bias: Vec<f32>,
    kernel: usize,
    stride: usize,
    padding: usize,
    /// Applied to what comes out.
    pub activation: Option<Activation>,
}

/// Channels, height and width.
type Shape = [usize; 3];

impl Conv {
    /// Of a weight `[output, channels, kernel, kernel]`.
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

    /// Multiplies each channel that comes out and adds to it.
    pub fn then(&mut self, scale: &[f32], shift: &[f32]) {
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

    /// What comes out of an image; nothing of one that is smaller than the kernel.
    pub fn shape(&self, [_, height, width]: Shape) -> Shape {
        let along = |length: usize| {
            let room = length + 2 * self.padding;
            if room < self.kernel { 0 } else { (room - self.kernel) / self.stride + 1 }
        };
        [self.bias.len(), along(height), along(width)]
    }

    /// `[rows, channels, height, width]` to `[rows, output, height, width]`.
    pub fn forward(&self, x: &[f32], shape: Shape) -> Vec<f32> {
        let [output, high, wide] = self.shape(shape);
        let (image, pixels) = (shape.iter().product::<usize>(), high * wide);
        let rows = x.len() / image.max(1);
        let mut y = vec![0.0; rows * output * pixels];
        if pixels == 0 {
            return y;
        }
        let deep = self.weight.len() / output.max(1);
        let one = |patches: &mut Packed, x: &[f32], y: &mut [f32], alone: bool| {
            patches.fill(deep, pixels, |to| self.patches(x, shape, to));
            let of = patches.times(&self.weight, output, deep);
            if alone {
                product(&of, y);
            } else {
                part(&of, 0..output, 0..pixels.div_ceil(COLUMNS), y, pixels);
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
            let mut patches = Packed::default();
            let each = x.chunks_exact(image).zip(y.chunks_exact_mut(output * pixels));
            each.for_each(|(x, y)| one(&mut patches, x, y, true));
        } else {
            let each = x.par_chunks_exact(image).zip(y.par_chunks_exact_mut(output * pixels));
            each.for_each_init(Packed::default, |patches, (x, y)| one(patches, x, y, false));
        }
        y
    }

    /// Each value of each patch, a patch to a column; what is not set is the padding.
    fn patches(&self, x: &[f32], shape: Shape, to: &mut Setter<'_>) {
        let [channels, height, width] = shape;
        let [_, high, wide] = self.shape(shape);
        let (kernel, stride, padding) = (self.kernel, self.stride, self.padding);
        for channel in 0..channels {
            for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                let place = (channel * kernel + ky) * kernel + kx;
                for row in 0..high {
                    let Some(y) = (row * stride + ky).checked_sub(padding).filter(|y| *y < height) else {
                        continue;
                    };
                    let line = &x[(channel * height + y) * width..][..width];
                    for column in 0..wide {
                        if let Some(value) =
                            (column * stride + kx).checked_sub(padding).and_then(|x| line.get(x))
                        {
                            to.set(place, row * wide + column, *value);
                        }
                    }
                }
            }
        }
    }
}
