//! Functions of tensors that several layers share.

use candle_core::{Device, Error as CandleError, Tensor};
use cupola_kernels::rows;
use cupola_spec::Take;

use crate::engines::candle::tensors;

/// Pads an image with the smallest float, which no maximum falls on.
pub fn pad(x: &Tensor, padding: usize) -> Result<Tensor, CandleError> {
    if padding == 0 {
        return Ok(x.clone());
    }
    let around = |x: &Tensor, axis: usize| {
        let mut shape = x.dims().to_vec();
        shape[axis] = padding;
        let edge = Tensor::full(f32::MIN, shape, &Device::Cpu)?;
        Tensor::cat(&[&edge, x, &edge], axis)
    };
    around(&around(x, 2)?, 3)
}

/// One vector `[batch, width]` for each sequence `[batch, time, width]`; `mask` `[batch, time]` is 1 at padding.
pub fn take(at: Take, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, CandleError> {
    let (batch, time, width) = x.dims3()?;
    match (at, mask) {
        (Take::First, _) => x.narrow(1, 0, 1)?.squeeze(1),
        (Take::Last, None) => x.narrow(1, time - 1, 1)?.squeeze(1),
        (Take::Last, Some(mask)) => {
            let lengths: Vec<f32> = (mask.neg()? + 1.0)?.sum(1)?.to_vec1()?;
            let mut rows = Vec::with_capacity(batch);
            for (row, length) in lengths.into_iter().enumerate() {
                #[allow(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "lengths are small integers"
                )]
                let last = (length as usize).max(1) - 1;
                rows.push(x.narrow(0, row, 1)?.narrow(1, last, 1)?.reshape((1, width))?);
            }
            Tensor::cat(&rows, 0)
        }
        (at, mask) => {
            let padding = mask.map(|mask| mask.flatten_all()?.to_vec1::<f32>()).transpose()?;
            let reduce = match at {
                Take::Max => rows::masked_max,
                Take::MeanSqrt => rows::masked_sqrt_mean,
                Take::WeightedMean => rows::masked_weighted_mean,
                Take::First | Take::Last | Take::Mean => rows::masked_mean,
            };
            tensors::map_to_shape(x, (batch, width), |x| reduce(x, time, width, padding.as_deref()))
        }
    }
}

/// Patches of images `[batch, channels, height, width]` as tokens `[batch, patches, out]`.
pub fn patch(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor, CandleError> {
    let y = x.conv2d(weight, 0, weight.dim(2)?, 1, 1)?.broadcast_add(bias)?;
    y.flatten_from(2)?.transpose(1, 2)?.contiguous()
}

/// Periodic embeddings of numbers `[batch, columns]` as cosines and sines `[batch, columns, 2 * frequencies]`
/// (Gorishniy et al. 2022, section 3.3).
pub fn periodic(x: &Tensor, frequencies: &Tensor) -> Result<Tensor, CandleError> {
    let angle = (x.unsqueeze(2)?.broadcast_mul(frequencies)? * std::f64::consts::TAU)?;
    Tensor::cat(&[angle.cos()?, angle.sin()?], 2)
}

/// Cosines of numbers `[batch, columns]` with frequencies and phases `[columns, f]`, mapped by a matrix of each column,
/// and the numbers: `[batch, columns, width]` (Holzmüller et al. 2024, C.1).
pub fn periodic_dense(x: &Tensor, weights: &[Tensor; 4]) -> Result<Tensor, CandleError> {
    let [frequencies, phases, matrices, shifts] = weights;
    let x = x.unsqueeze(2)?;
    let angle = (x.broadcast_mul(frequencies)? * std::f64::consts::TAU)?;
    let waves = angle.broadcast_add(phases)?.cos()?;
    let mapped = waves.transpose(0, 1)?.contiguous()?.matmul(matrices)?.transpose(0, 1)?;
    Tensor::cat(&[mapped.contiguous()?.broadcast_add(shifts)?, x], 2)
}
