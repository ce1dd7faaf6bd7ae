//! Tokens: image patches, a class token, positions, and the reduction of a sequence to one vector.

use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Bool, Int, Tensor};
use cupola_spec::Take;

use super::hidden::Hidden;
use crate::error::Error;
use crate::precision::{cast_like, in_f32};
use crate::weights::ModuleBuilder;

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
    }
}
