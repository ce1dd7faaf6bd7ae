//! Pooling: `max_pool`, `avg_pool` and `global_avg_pool`.

use crate::layers::contract::{LayerContract, Misfit, image, positions, volume};
use crate::layers::conv::too_small;

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
