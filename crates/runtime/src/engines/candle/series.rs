//! Layers of series.

use candle_core::{Error as CandleError, Tensor};

/// Added to a window's variance.
const EPSILON: f64 = 1e-5;

/// Patches of `x` `[batch, time, in]` as tokens `[batch, patches, width]`; the last patch ends at the last step.
pub fn patch(x: &Tensor, weight: &Tensor, bias: &Tensor, stride: usize) -> Result<Tensor, CandleError> {
    let (time, length) = (x.dim(1)?, weight.dim(2)?);
    let over = (time - length) % stride;
    let x = x.narrow(1, over, time - over)?.transpose(1, 2)?.contiguous()?;
    x.conv1d(weight, 0, stride, 1, 1)?.broadcast_add(bias)?.transpose(1, 2)?.contiguous()
}

/// Moving average over `kernel` steps, with the ends repeated, and the residual beside it.
#[allow(clippy::cast_precision_loss)]
pub fn decompose(x: &Tensor, kernel: usize) -> Result<Tensor, CandleError> {
    let time = x.dim(1)?;
    let padded = x.pad_with_same(1, kernel / 2, kernel / 2)?;
    let mut sum = padded.narrow(1, 0, time)?;
    for shift in 1..kernel {
        sum = (sum + padded.narrow(1, shift, time)?)?;
    }
    let trend = (sum / kernel as f64)?;
    Tensor::cat(&[&trend, &(x - &trend)?], 2)
}

/// Mean and standard deviation of each series of a window `[batch, time, width]`, and the window normalised by them.
pub fn normalize(x: &Tensor) -> Result<[Tensor; 3], CandleError> {
    let mean = x.mean_keepdim(1)?;
    let centred = x.broadcast_sub(&mean)?;
    let deviation = (centred.sqr()?.mean_keepdim(1)? + EPSILON)?.sqrt()?;
    let rest = centred.broadcast_div(&deviation)?;
    Ok([mean, deviation, rest])
}
