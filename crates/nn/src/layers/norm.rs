//! Layer normalisation and RMS normalisation over the last axis.

use burn::module::{Module, Param};
use burn::tensor::Tensor;

use crate::error::Error;
use crate::fused;
use crate::weights::ModuleBuilder;

/// `PyTorch`'s default epsilon.
const EPSILON: f64 = 1e-5;

/// `torch.nn.LayerNorm` (Ba et al. 2016).
#[derive(Module, Debug)]
pub struct LayerNorm {
    weight: Param<Tensor<1>>,
    bias: Option<Param<Tensor<1>>>,
    #[module(skip)]
    eps: f64,
}

impl LayerNorm {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>, eps: Option<f64>) -> Result<Self, Error> {
        let (weight, bias) = (module.param("weight")?, module.optional("bias")?);
        Ok(Self { weight, bias, eps: eps.unwrap_or(EPSILON) })
    }

    /// `[..., width]` to the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        let bias = self.bias.as_ref().map(Param::val);
        fused::layer_norm(x, self.weight.val(), bias, self.eps)
    }
}

/// `torch.nn.RMSNorm` (Zhang and Sennrich 2019).
#[derive(Module, Debug)]
pub struct RmsNorm {
    weight: Param<Tensor<1>>,
    #[module(skip)]
    eps: f64,
}

impl RmsNorm {
    /// Builds a norm from the weight of this name.
    pub(super) fn build(
        module: &mut ModuleBuilder<'_, '_>,
        weight: &str,
        eps: Option<f64>,
    ) -> Result<Self, Error> {
        Ok(Self { weight: module.param(weight)?, eps: eps.unwrap_or(EPSILON) })
    }

    /// `[..., width]` to the same shape.
    pub fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        fused::rms_norm(x, self.weight.val(), self.eps)
    }
}
