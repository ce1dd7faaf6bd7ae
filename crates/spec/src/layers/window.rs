//! Layers that slide a window. Convolutions: `conv1d`, `conv2d`, `patch` and `series_patch`; pooling: `max_pool`,
//! `avg_pool` and `global_avg_pool`.

use crate::layers::contract::{LayerContract, Misfit, WeightSpec, image, positions, sequence, volume, work};

/// A convolution whose output has the shape `output` and whose weight the shape `weight`
/// `[out, in, kernel...]`.
fn convolution(output: Vec<usize>, weight: &[usize], bias: bool) -> LayerContract {
    let fan_in = weight[1..].iter().fold(1, |product: usize, &axis| product.saturating_mul(axis));
    let multiply_adds = work(&[volume(&output), fan_in as u64]);
    LayerContract::new(output, WeightSpec::affine("", weight, fan_in, bias), multiply_adds)
}

/// Sizes of a `conv2d`.
pub(super) struct Conv2d {
    pub out: usize,
    pub kernel: usize,
    pub stride: usize,
    pub padding: usize,
    pub bias: bool,
}

impl Conv2d {
    pub(super) fn contract(&self, input: &[usize]) -> Result<LayerContract, Misfit> {
        let (channels, height, width) = image(input)?;
        let side = |n: usize| {
            positions(n + 2 * self.padding, self.kernel, self.stride).ok_or_else(|| too_small(input))
        };
        let output = vec![self.out, side(height)?, side(width)?];
        Ok(convolution(output, &[self.out, channels, self.kernel, self.kernel], self.bias))
    }
}

pub(super) fn too_small(input: &[usize]) -> Misfit {
    Misfit::new(input, "an image at least as large as its kernel", "use a smaller kernel or fewer pools")
}

/// A convolution along time that keeps the length.
pub(super) fn conv1d(
    input: &[usize],
    out: usize,
    kernel: usize,
    dilation: usize,
    causal: bool,
) -> Result<LayerContract, Misfit> {
    let (time, width) = sequence(input)?;
    if kernel == 0 || dilation == 0 || !causal && kernel.is_multiple_of(2) {
        return Err(Misfit::new(input, "an odd kernel, or `causal = true`", "change `kernel`"));
    }
    Ok(convolution(vec![time, out], &[out, width, kernel], true))
}

/// A convolution whose stride is its kernel: squares of an image as tokens.
pub(super) fn patch(input: &[usize], size: usize, width: usize) -> Result<LayerContract, Misfit> {
    let (channels, h, w) = image(input)?;
    if size == 0 || !h.is_multiple_of(size) || !w.is_multiple_of(size) {
        return Err(Misfit::new(input, "sides that `size` divides", "change `size`"));
    }
    let tokens = (h / size) * (w / size);
    Ok(convolution(vec![tokens, width], &[width, channels, size, size], true))
}

/// A convolution along time with a stride: stretches of a series as tokens.
pub(super) fn series_patch(
    input: &[usize],
    length: usize,
    stride: usize,
    width: usize,
) -> Result<LayerContract, Misfit> {
    let (time, columns) = sequence(input)?;
    let needs = "at least as many steps as a stretch has";
    let count =
        positions(time, length, stride).ok_or_else(|| Misfit::new(input, needs, "use a shorter `length`"))?;
    Ok(convolution(vec![count, width], &[width, columns, length], true))
}

/// The largest value of each window.
pub(super) fn max_pool(
    input: &[usize],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Result<LayerContract, Misfit> {
    image(input)?;
    if padding.saturating_mul(2) > kernel {
        return Err(Misfit::new(input, "a padding of at most half its kernel", "change `padding`"));
    }
    windows(input, kernel, stride, padding)
}

/// The mean of each window.
pub(super) fn avg_pool(input: &[usize], kernel: usize, stride: usize) -> Result<LayerContract, Misfit> {
    windows(input, kernel, stride, 0)
}

fn windows(input: &[usize], kernel: usize, stride: usize, padding: usize) -> Result<LayerContract, Misfit> {
    let (channels, height, width) = image(input)?;
    let side = |n: usize| positions(n + 2 * padding, kernel, stride).ok_or_else(|| too_small(input));
    let output = vec![channels, side(height)?, side(width)?];
    Ok(LayerContract::elementwise(output, kernel.saturating_mul(kernel)))
}

/// The mean of each channel.
pub(super) fn global_avg_pool(input: &[usize]) -> Result<LayerContract, Misfit> {
    let (channels, ..) = image(input)?;
    Ok(LayerContract::new(vec![channels], Vec::new(), volume(input)))
}
