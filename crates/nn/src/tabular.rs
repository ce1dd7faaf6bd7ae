//! Layers of networks for tables.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::builder::Builder;
use crate::error::Error;
use crate::precision::{like, wide};
use crate::weights::Start;

/// Each number as a token: `x_i w_i + b_i` (Gorishniy et al. 2021, 3.3).
#[derive(Module, Debug)]
pub struct FeatureTokens {
    /// `[n, width]`
    weight: Param<Tensor<2>>,
    /// `[n, width]`
    bias: Param<Tensor<2>>,
}

impl FeatureTokens {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        n: usize,
        width: usize,
    ) -> Result<Self, Error> {
        let start = Start::Uniform { fan_in: width };
        Ok(Self {
            weight: builder.param(&format!("{name}.weight"), [n, width], start)?,
            bias: builder.param(&format!("{name}.bias"), [n, width], start)?,
        })
    }

    /// `[batch, n]` to `[batch, n, width]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let x: Tensor<3> = x.unsqueeze_dim(2);
        let (weight, bias) = (like(self.weight.val(), &x), like(self.bias.val(), &x));
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
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        n: usize,
        frequencies: usize,
        sigma: f64,
    ) -> Result<Self, Error> {
        let start = Start::Normal { deviation: sigma };
        Ok(Self { frequencies: builder.param(&format!("{name}.frequencies"), [n, frequencies], start)? })
    }

    /// `[batch, n]` to `[batch, n, 2 * frequencies]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<3> {
        let x: Tensor<3> = x.unsqueeze_dim(2);
        let waves = |x: Tensor<3>| {
            let angle = (x * self.frequencies.val().unsqueeze()).mul_scalar(std::f64::consts::TAU);
            Tensor::cat(vec![angle.clone().cos(), angle.sin()], 2)
        };
        wide(x, waves)
    }
}

/// `s_k (W (r_k x_k)) + b_k` for each member `k` (Wen et al. 2020, 3.1; Gorishniy et al. 2024, 3.2).
#[derive(Module, Debug)]
pub struct BatchEnsemble {
    /// `[in, out]`, of all members.
    weight: Param<Tensor<2>>,
    /// `[members, in]`
    r: Param<Tensor<2>>,
    /// `[members, out]`
    s: Param<Tensor<2>>,
    /// `[members, out]`
    bias: Param<Tensor<2>>,
}

impl BatchEnsemble {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        [members, input, out]: [usize; 3],
        signs: bool,
    ) -> Result<Self, Error> {
        let r = if signs { Start::Signs } else { Start::Constant(1.0) };
        let bias = Start::Uniform { fan_in: input };
        Ok(Self {
            weight: builder.linear(&format!("{name}.weight"), input, out)?,
            r: builder.param(&format!("{name}.r"), [members, input], r)?,
            s: builder.param(&format!("{name}.s"), [members, out], Start::Constant(1.0))?,
            bias: builder.param(&format!("{name}.bias"), [members, out], bias)?,
        })
    }

    /// `[batch, members, in]` to `[batch, members, out]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, members, input] = x.dims();
        let [r, s, bias, weight] =
            [&self.r, &self.s, &self.bias, &self.weight].map(|weight| like(weight.val(), &x));
        let x = x * r.unsqueeze();
        let x = x.reshape([batch * members, input]).matmul(weight);
        let out = x.dims()[1];
        x.reshape([batch, members, out]) * s.unsqueeze() + bias.unsqueeze()
    }
}
