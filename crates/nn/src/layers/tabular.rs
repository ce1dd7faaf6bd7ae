//! Layers for tables: numbers as tokens, periodic features, and ensembles that share weights.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use cupola_spec::Activation;

use crate::error::Error;
use crate::fused::activate;
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

/// `[cos(2 pi w x + b) A + c, x]` for each number (Holzmüller et al. 2024, C.1).
#[derive(Module, Debug)]
pub struct PeriodicDense {
    /// `w`, `[n, frequencies]`
    weight_1: Param<Tensor<2>>,
    /// `b`, `[n, frequencies]`
    bias_1: Param<Tensor<2>>,
    /// `A`, `[n, frequencies, width - 1]`
    weight_2: Param<Tensor<3>>,
    /// `c`, `[n, width - 1]`
    bias_2: Param<Tensor<2>>,
}

impl PeriodicDense {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self {
            weight_1: module.param("weight_1")?,
            bias_1: module.param("bias_1")?,
            weight_2: module.param("weight_2")?,
            bias_2: module.param("bias_2")?,
        })
    }

    /// `[batch, n]` to `[batch, n, width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        in_f32(x.unsqueeze_dim(2), |x: Tensor<3>| {
            let angle = (x.clone() * self.weight_1.val().unsqueeze()).mul_scalar(std::f64::consts::TAU);
            let waves = (angle + self.bias_1.val().unsqueeze()).cos();
            // Each number has a matrix of its own.
            let mapped = waves.swap_dims(0, 1).matmul(self.weight_2.val()).swap_dims(0, 1);
            Tensor::cat(vec![mapped + self.bias_2.val().unsqueeze(), x], 2)
        })
    }
}

/// A learned factor for each feature.
#[derive(Module, Debug)]
pub struct FeatureScale {
    /// `[width]`
    scale: Param<Tensor<1>>,
}

impl FeatureScale {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        Ok(Self { scale: module.param("scale")? })
    }

    /// `[.., width]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let scale = cast_like(self.scale.val(), &x);
        x * scale.unsqueeze()
    }
}

/// `x + (f(x) - x) * mix` with a learned share for each feature (Holzmüller et al. 2024, C.1).
#[derive(Module, Debug)]
pub struct MixedActivation {
    /// `[width]`
    mix: Param<Tensor<1>>,
    #[module(skip)]
    function: Activation,
}

impl MixedActivation {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>, function: Activation) -> Result<Self, Error> {
        Ok(Self { mix: module.param("mix")?, function })
    }

    /// `[.., width]`
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let mix = cast_like(self.mix.val(), &x);
        (activate(self.function, x.clone()) - x.clone()) * mix.unsqueeze() + x
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
