//! Tokens: image patches, a class token, positions, and the reduction of a sequence to one vector.

use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, Int, Tensor, TensorData};
use cupola_spec::Take;

use super::hidden::Hidden;
use crate::error::Error;
use crate::precision::{cast_like, in_f32};
use crate::weights::ModuleBuilder;

/// Stands for minus infinity; 16-bit numbers hold it.
const MASKED: f32 = -6e4;

/// Square patches of an image as tokens (Dosovitskiy et al. 2021).
#[derive(Module, Debug)]
pub struct Patch {
    /// `[width, channels, size, size]`
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Patch {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self { weight: module.param("weight")?, bias: module.param("bias")? })
    }

    /// `[batch, channels, height, width]` to `[batch, patches, width]`, row by row.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<3> {
        let size = self.weight.dims()[2];
        let options = ConvOptions::new([size, size], [0, 0], [1, 1], 1);
        let (weight, bias) = (cast_like(self.weight.val(), &x), cast_like(self.bias.val(), &x));
        let x = conv2d(x, weight, Some(bias), options);
        x.flatten::<3>(2, 3).swap_dims(1, 2)
    }
}

/// A learned first token.
#[derive(Module, Debug)]
pub struct ClassToken {
    /// `[width]`
    token: Param<Tensor<1>>,
}

impl ClassToken {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self { token: module.param("token")? })
    }

    /// Puts the token first; the mask says that it is not padding.
    pub fn forward(&self, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Hidden {
        let [batch, _, width] = x.dims();
        let token = cast_like(self.token.val(), &x).reshape([1, 1, width]).expand([batch, 1, width]);
        let mask = mask.map(|mask| {
            let first = mask.clone().narrow(1, 0, 1).int().zeros_like().bool();
            Tensor::cat(vec![first, mask], 1)
        });
        Hidden::Sequence(Tensor::cat(vec![token, x], 1), mask)
    }
}

/// Learned position embeddings.
#[derive(Module, Debug)]
pub struct Position {
    /// `[time, width]`
    position: Param<Tensor<2>>,
}

impl Position {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self { position: module.param("position")? })
    }

    /// Adds the first positions.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let time = x.dims()[1];
        let position = cast_like(self.position.val(), &x).narrow(0, 0, time).unsqueeze();
        x + position
    }

    /// Adds the positions of `steps`.
    pub(crate) fn forward_at(&self, x: Tensor<3>, steps: Tensor<1, Int>) -> Tensor<3> {
        let position = cast_like(self.position.val(), &x).select(0, steps).unsqueeze();
        x + position
    }
}

/// One vector `[batch, width]` of each sequence; `mask` is true at padding.
pub fn take(at: Take, x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<2> {
    let [batch, time, width] = x.dims();
    match (at, mask) {
        (Take::First, _) => x.narrow(1, 0, 1).reshape([batch, width]),
        (Take::Last, None) => x.narrow(1, time - 1, 1).reshape([batch, width]),
        (Take::Mean, None) => in_f32(x, |x| x.mean_dim(1).reshape([batch, width])),
        (Take::Last, Some(mask)) => {
            let length = mask.bool_not().int().sum_dim(1);
            let last: Tensor<2, Int> = length.sub_scalar(1).clamp_min(0);
            let last = last.reshape([batch, 1, 1]).expand([batch, 1, width]);
            x.gather(1, last).reshape([batch, width])
        }
        (Take::Mean, Some(mask)) => {
            let keep = mask.bool_not().float();
            let length = keep.clone().sum_dim(1).clamp_min(1.0);
            let keep = keep.reshape([batch, time, 1]);
            in_f32(x, |x| (x * keep).sum_dim(1).reshape([batch, width]) / length)
        }
        (Take::Max, mask) => max(x, mask),
        (Take::MeanSqrt, mask) => weighted(x, mask, |_| 1.0, Tensor::sqrt),
        (Take::WeightedMean, mask) => weighted(x, mask, |step| step + 1.0, |sum| sum),
    }
}

/// Largest values over the steps that are not padding; zeros if there are none.
fn max(x: Tensor<3>, mask: Option<Tensor<2, Bool>>) -> Tensor<2> {
    let [batch, time, width] = x.dims();
    let Some(mask) = mask else { return x.max_dim(1).reshape([batch, width]) };
    let empty = mask.clone().bool_not().int().sum_dim(1).equal_scalar(0).expand([batch, width]);
    let x = x.mask_fill(mask.reshape([batch, time, 1]).expand([batch, time, width]), MASKED);
    x.max_dim(1).reshape([batch, width]).mask_fill(empty, 0.0)
}

/// Sum over the steps that are not padding, step `i` with the weight `weight(i)`, divided by `divisor` of the sum of
/// the weights; zeros if there are no such steps.
fn weighted(
    x: Tensor<3>,
    mask: Option<Tensor<2, Bool>>,
    weight: impl Fn(f32) -> f32,
    divisor: impl Fn(Tensor<2>) -> Tensor<2>,
) -> Tensor<2> {
    let [batch, time, width] = x.dims();
    #[allow(clippy::cast_precision_loss, reason = "numbers of steps are small")]
    let weights: Vec<f32> = (0..time).map(|step| weight(step as f32)).collect();
    let weights: Tensor<2> = Tensor::from_data(TensorData::new(weights, [1, time]), &x.device());
    let weights = weights.expand([batch, time]);
    let weights = match mask {
        Some(mask) => weights.mask_fill(mask, 0.0),
        None => weights,
    };
    let total = divisor(weights.clone().sum_dim(1).clamp_min(1.0));
    let weights = weights.reshape([batch, time, 1]);
    in_f32(x, |x| (x * weights).sum_dim(1).reshape([batch, width]) / total)
}
