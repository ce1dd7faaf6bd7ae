//! Layers for time series `[batch, time, width]`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;

use crate::error::Error;
use crate::precision::cast_like;
use crate::weights::ModuleBuilder;

/// Overlapping patches of a series as tokens (Nie et al. 2023).
#[derive(Module, Debug)]
pub struct SeriesPatch {
    /// `[width, in, length]`
    weight: Param<Tensor<3>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    stride: usize,
}

impl SeriesPatch {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>, stride: usize) -> Result<Self, Error> {
        Ok(Self { weight: module.param("weight")?, bias: module.param("bias")?, stride })
    }

    /// `[batch, time, in]` to `[batch, patches, width]`; the last patch ends at the last step.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (time, length) = (x.dims()[1], self.weight.dims()[2]);
        let over = (time - length) % self.stride;
        let x = x.narrow(1, over, time - over).swap_dims(1, 2);
        let options = ConvOptions::new([self.stride], [0], [1], 1);
        let (weight, bias) = (cast_like(self.weight.val(), &x), cast_like(self.bias.val(), &x));
        conv1d(x, weight, Some(bias), options).swap_dims(1, 2)
    }
}

/// Trend and remainder side by side, `[batch, time, 2 * width]`: a moving average over `kernel` steps with the ends
/// repeated, and the series without it (Zeng et al. 2023).
#[allow(clippy::cast_precision_loss)]
pub fn decompose(x: Tensor<3>, kernel: usize) -> Tensor<3> {
    let [batch, time, width] = x.dims();
    let side = kernel / 2;
    let edge = |at: usize| x.clone().narrow(1, at, 1).repeat_dim(1, side);
    let padded = if side == 0 { x.clone() } else { Tensor::cat(vec![edge(0), x.clone(), edge(time - 1)], 1) };
    // Every series of every example is a row with one channel.
    let rows = padded.swap_dims(1, 2).reshape([batch * width, 1, time + 2 * side]);
    let weight = cast_like(Tensor::<3>::full([1, 1, kernel], 1.0 / kernel as f64, &x.device()), &x);
    let trend = conv1d(rows, weight, None, ConvOptions::new([1], [0], [1], 1));
    let trend = trend.reshape([batch, width, time]).swap_dims(1, 2);
    Tensor::cat(vec![trend.clone(), x - trend], 2)
}
