//! Two-dimensional convolution with its backward pass.
//!
//! Images are copied into planes with a border of zeros, in which each tap of the kernel reads at a fixed distance from
//! the output's place. A convolution is then a product of the weights with rows that begin at these distances, and needs
//! no matrix of patches ("implicit GEMM"). A stride divides the image into one plane per remainder of the coordinates,
//! within which the stride is 1. Places between two rows or images hold values that are computed and left out.

mod planes;
mod products;
#[cfg(test)]
mod tests;

use rayon::prelude::*;

use self::planes::{GradientTaps, Planes};
use self::products::{PackedRows, correlate, weight_sums};
use super::output::OutputBuffer;
use super::parts::add;
use crate::simd::{sum_by, vectorized};

/// Parts into which the images are divided for the sums of the weights' gradients.
const PARTS: usize = 8;

/// Sizes of a convolution; pairs are along height and width.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConvShape {
    /// Number of images.
    pub images: usize,
    /// Channels of the input.
    pub channels: usize,
    /// Channels of the output.
    pub output: usize,
    /// Size of an image.
    pub size: [usize; 2],
    /// Size of the kernel.
    pub kernel: [usize; 2],
    /// Distance between two outputs.
    pub stride: [usize; 2],
    /// Zeros on each side.
    pub padding: [usize; 2],
    /// Distance between two taps of the kernel.
    pub dilation: [usize; 2],
    /// Groups of channels that are convolved apart; both numbers of channels are multiples of it.
    pub groups: usize,
}

/// Gradients of a convolution's inputs.
#[derive(Debug, Default)]
pub struct ConvGradients {
    /// Gradient of the images; empty if it is not needed.
    pub x: Vec<f32>,
    /// `[output, channels / groups, kernel, kernel]`
    pub weight: Vec<f32>,
    /// `[output]`
    pub bias: Vec<f32>,
}

impl ConvShape {
    /// Size of an output image; 0 where the image is smaller than the kernel.
    pub fn output_size(&self) -> [usize; 2] {
        [0, 1].map(|axis| {
            let room = self.size[axis] + 2 * self.padding[axis];
            let reach = (self.kernel[axis] - 1) * self.dilation[axis];
            if room <= reach { 0 } else { (room - reach - 1) / self.stride[axis] + 1 }
        })
    }

    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    fn pixels(&self) -> usize {
        self.size[0] * self.size[1]
    }

    fn output_pixels(&self) -> usize {
        self.output_size().iter().product()
    }

    /// Channels of input and output of one group.
    fn group_channels(&self) -> [usize; 2] {
        [self.channels / self.groups, self.output / self.groups]
    }
}

/// Maps `x` `[images, channels, height, width]` to `[images, output, height, width]` by `weight`
/// `[output, channels / groups, kernel, kernel]` and `bias` `[output]`.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, shape: &ConvShape) -> Vec<f32> {
    let mut y = OutputBuffer::new(shape.images * shape.output * shape.output_pixels());
    if shape.images * shape.output * shape.output_pixels() == 0 {
        return Vec::new();
    }
    let planes = Planes::new(shape);
    let [channels, output] = shape.group_channels();
    let deep = channels * shape.taps();
    let groups: Vec<PackedRows> = (0..shape.groups)
        .map(|group| {
            let weight = &weight[group * output * deep..][..output * deep];
            PackedRows::new([output, deep], |row, column| weight[row * deep + column])
        })
        .collect();
    let offsets = planes.offsets(channels);
    let (image, result) = (shape.channels * shape.pixels(), shape.output * shape.output_pixels());
    let each = planes.images;
    let parts = y.par_chunks_mut(each * result).zip(x.par_chunks(each * image));
    let columns = planes.columns();
    let buffers = || (Vec::new(), vec![0.0; output * columns]);
    parts.for_each_init(buffers, |(input, wide), (y, x)| {
        for (group, weight) in groups.iter().enumerate() {
            planes.fill(x, group * channels..(group + 1) * channels, input);
            correlate(weight, &offsets, input, columns, wide);
            let bias = bias.map(|bias| &bias[group * output..][..output]);
            planes.extract_output(wide, bias, group * output, y);
        }
    });
    y.into_vec()
}

/// Gradients from the gradient of the output; that of `x` only if it is `needed`.
pub fn backward(
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    shape: &ConvShape,
    needed: bool,
) -> ConvGradients {
    let planes = Planes::new(shape);
    let (image, result) = (shape.channels * shape.pixels(), shape.output * shape.output_pixels());
    if result == 0 || shape.images == 0 {
        let x = vec![0.0; if needed { x.len() } else { 0 }];
        return ConvGradients { x, weight: vec![0.0; weight.len()], bias: vec![0.0; shape.output] };
    }
    let taps = if needed { planes.gradient_taps(weight) } else { Vec::new() };
    let mut dx = OutputBuffer::new(if needed { x.len() } else { 0 });
    // Whole chunks of images for each part.
    let each = shape.images.div_ceil(planes.images).div_ceil(PARTS) * planes.images;
    let job = Job { planes: &planes, taps: &taps };
    let sums: Vec<ConvGradients> = if needed {
        let parts = dx.par_chunks_mut(each * image);
        let parts = parts.zip(x.par_chunks(each * image)).zip(gradient.par_chunks(each * result));
        parts.map(|((dx, x), gradient)| job.run(x, gradient, dx)).collect()
    } else {
        let parts = x.par_chunks(each * image).zip(gradient.par_chunks(each * result));
        parts.map(|(x, gradient)| job.run(x, gradient, &mut [])).collect()
    };
    let mut sums = sums.into_iter();
    let mut total = sums.next().unwrap_or_default();
    for part in sums {
        add(&mut total.weight, &part.weight);
        add(&mut total.bias, &part.bias);
    }
    ConvGradients { x: dx.into_vec(), ..total }
}

/// Backward pass over a part of the images.
struct Job<'a> {
    planes: &'a Planes,
    /// Weights by group and plane; empty if the gradient of the images is not needed.
    taps: &'a [Vec<GradientTaps>],
}

impl Job<'_> {
    fn run(&self, x: &[f32], gradient: &[f32], dx: &mut [f32]) -> ConvGradients {
        let planes = self.planes;
        let shape = &planes.shape;
        let [channels, output] = shape.group_channels();
        let deep = channels * shape.taps();
        let (mut weight, mut bias) = (vec![0.0; shape.output * deep], vec![0.0; shape.output]);
        let (image, result) = (shape.channels * shape.pixels(), shape.output * shape.output_pixels());
        let offsets = planes.offsets(channels);
        let (mut input, mut wide, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let each = planes.images;
        let chunks = x.chunks(each * image).zip(gradient.chunks(each * result)).enumerate();
        for (index, (x, gradient)) in chunks {
            add_channel_sums(gradient, shape.output_pixels(), &mut bias);
            for group in 0..shape.groups {
                planes.fill(x, group * channels..(group + 1) * channels, &mut input);
                planes.fill_gradient(gradient, group * output..(group + 1) * output, &mut wide);
                let weight = &mut weight[group * output * deep..][..output * deep];
                let rows = (&wide[planes.margin..], planes.gradient_plane());
                weight_sums(rows, &offsets, &input, planes.columns(), weight);
                let Some(taps) = self.taps.get(group) else { continue };
                let start = index * each * image;
                let dx = &mut dx[start..][..x.len()];
                for taps in taps {
                    found.resize(channels * planes.input_columns(), 0.0);
                    let from = &wide[planes.first..];
                    correlate(&taps.weight, &taps.offsets, from, planes.input_columns(), &mut found);
                    planes.extract_input(&found, taps.plane, group * channels, dx);
                }
            }
        }
        ConvGradients { x: Vec::new(), weight, bias }
    }
}

/// Adds the sum of each channel of `values` `[images, channels, pixels]` to `sums` `[channels]`.
fn add_channel_sums(values: &[f32], pixels: usize, sums: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for image in values.chunks_exact((sums.len() * pixels).max(1)) {
                for (sum, channel) in sums.iter_mut().zip(image.chunks_exact(pixels)) {
                    *sum += sum_by(channel, |x| x);
                }
            }
        },
    );
}
