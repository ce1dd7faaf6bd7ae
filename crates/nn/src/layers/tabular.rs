//! Layers for tables: numbers as tokens, periodic features, and ensembles that share weights.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::error::Error;
use crate::precision::{cast_like, in_f32};
use crate::weights::ModuleBuilder;

/// Each number as a token: `x_i w_i + b_i` (Gorishniy et al. 2021, 3.3).
#[derive(Module, Debug)]
pub struct FeatureTokens {
    /// `[n, width]`
    weight: Param<Tensor<2>>,
    /// `[n, width]`
    bias: Param<Tensor<2>>,
}

impl FeatureTokens {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self { weight: module.param("weight")?, bias: module.param("bias")? })
    }

    /// `[batch, n]` to `[batch, n, width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let x: Tensor<3> = x.unsqueeze_dim(2);
        let (weight, bias) = (cast_like(self.weight.val(), &x), cast_like(self.bias.val(), &x));
        x * weight.unsqueeze() + bias.unsqueeze()
    }
}

/// `[cos(2 pi c x), sin(2 pi c x)]` with learned `c` (Gorishniy et al. 2022, 3.3).
#[derive(Module, Debug)]
pub struct Periodic {
    /// `[n, frequencies]`
    frequencies: Param<Tensor<2>>,
}

impl Periodic {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self { frequencies: module.param("frequencies")? })
    }

    /// `[batch, n]` to `[batch, n, 2 * frequencies]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let x: Tensor<3> = x.unsqueeze_dim(2);
        let waves = |x: Tensor<3>| {
            let angle = (x * self.frequencies.val().unsqueeze()).mul_scalar(std::f64::consts::TAU);
            Tensor::cat(vec![angle.clone().cos(), angle.sin()], 2)
        };
        in_f32(x, waves)
    }
}

/// `s_k (W (r_k x_k)) + b_k` for each member `k` (Wen et al. 2020, 3.1; Gorishniy et al. 2024, 3.2).
#[derive(Module, Debug)]
pub struct BatchEnsemble {
    /// `[in, out]`, shared by all members.
    weight: Param<Tensor<2>>,
    /// `[members, in]`
    r: Param<Tensor<2>>,
    /// `[members, out]`
    s: Param<Tensor<2>>,
    /// `[members, out]`
    bias: Param<Tensor<2>>,
}

impl BatchEnsemble {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self {
            weight: module.transposed("weight")?,
            r: module.param("r")?,
            s: module.param("s")?,
            bias: module.param("bias")?,
        })
    }

    /// `[batch, members, in]` to `[batch, members, out]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, members, input] = x.dims();
        let [r, s, bias, weight] =
            [&self.r, &self.s, &self.bias, &self.weight].map(|weight| cast_like(weight.val(), &x));
        let x = x * r.unsqueeze();
        let x = x.reshape([batch * members, input]).matmul(weight);
        let out = x.dims()[1];
        x.reshape([batch, members, out]) * s.unsqueeze() + bias.unsqueeze()
    }
}
