//! Layers on series `[batch, time, width]`, and a window's own scale.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use burn::tensor::module::conv1d;
use burn::tensor::ops::ConvOptions;

use crate::builder::Builder;
use crate::error::Error;
use crate::precision::like;
use crate::weights::Start;

/// Under the root of a window's variance (Kim et al. 2022).
const EPSILON: f64 = 1e-5;

/// Stretches of a series as tokens.
#[derive(Module, Debug)]
pub struct SeriesPatch {
    /// `[width, in, length]`
    weight: Param<Tensor<3>>,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    stride: usize,
}

impl SeriesPatch {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        input: usize,
        [length, stride]: [usize; 2],
        width: usize,
    ) -> Result<Self, Error> {
        let start = Start::Uniform { fan_in: input * length };
        Ok(Self {
            weight: builder.param(&format!("{name}.weight"), [width, input, length], start)?,
            bias: builder.param(&format!("{name}.bias"), [width], start)?,
            stride,
        })
    }

    /// `[batch, time, in]` to `[batch, patches, width]`; the last patch ends at the last step.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let (time, length) = (x.dims()[1], self.weight.dims()[2]);
        let over = (time - length) % self.stride;
        let x = x.narrow(1, over, time - over).swap_dims(1, 2);
        let options = ConvOptions::new([self.stride], [0], [1], 1);
        let (weight, bias) = (like(self.weight.val(), &x), like(self.bias.val(), &x));
        conv1d(x, weight, Some(bias), options).swap_dims(1, 2)
    }
}

/// The moving average over `kernel` steps, the ends repeated, and the rest beside it:
/// `[batch, time, 2 * width]`.
#[allow(clippy::cast_precision_loss)]
pub(crate) fn decompose(x: Tensor<3>, kernel: usize) -> Tensor<3> {
    let [batch, time, width] = x.dims();
    let side = kernel / 2;
    let edge = |at: usize| x.clone().narrow(1, at, 1).repeat_dim(1, side);
    let padded = if side == 0 { x.clone() } else { Tensor::cat(vec![edge(0), x.clone(), edge(time - 1)], 1) };
    // Each series of each example is a channel of its own.
    let rows = padded.swap_dims(1, 2).reshape([batch * width, 1, time + 2 * side]);
    let weight = like(Tensor::<3>::full([1, 1, kernel], 1.0 / kernel as f64, &x.device()), &x);
    let trend = conv1d(rows, weight, None, ConvOptions::new([1], [0], [1], 1));
    let trend = trend.reshape([batch, width, time]).swap_dims(1, 2);
    Tensor::cat(vec![trend.clone(), x - trend], 2)
}

/// Mean and deviation of each series of a window, `[batch, 1, width]`.
pub(crate) struct Level {
    mean: Tensor<3>,
    deviation: Tensor<3>,
}

impl Level {
    /// Of a window `[batch, time, width]`, and the window without them.
    pub fn take_out(x: Tensor<3>) -> (Self, Tensor<3>) {
        let mean = x.clone().mean_dim(1);
        let centred = x - mean.clone();
        let deviation = centred.clone().square().mean_dim(1).add_scalar(EPSILON).sqrt();
        let rest = centred / deviation.clone();
        (Self { mean, deviation }, rest)
    }

    /// Puts those of one series on `[batch, horizon]`.
    pub fn put_back(&self, x: Tensor<2>, channel: usize) -> Tensor<2> {
        let batch = x.dims()[0];
        let of = |all: &Tensor<3>| all.clone().narrow(2, channel, 1).reshape([batch, 1]);
        x * of(&self.deviation) + of(&self.mean)
    }
}
