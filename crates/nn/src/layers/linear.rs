//! Linear layers with low-rank adapters.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;

use crate::error::Error;
use crate::precision::{self, cast_like};
use crate::weights::{LORA_A, LORA_B, ModuleBuilder};

/// Linear layer with an optional low-rank adapter, `x W + (alpha / rank) (x A) B` (Hu et al. 2022).
#[derive(Module, Debug)]
pub struct LoraLinear {
    linear: Linear,
    /// `[rank, in]`
    a: Option<Param<Tensor<2>>>,
    /// `[out, rank]`
    b: Option<Param<Tensor<2>>>,
    #[module(skip)]
    scale: f64,
}

impl LoraLinear {
    #[allow(clippy::cast_precision_loss)]
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>, name: &str) -> Result<Self, Error> {
        let linear = module.linear(&format!("{name}."))?;
        let a = module.optional(&format!("{name}.{LORA_A}"))?;
        let b = module.optional(&format!("{name}.{LORA_B}"))?;
        let scale = module.builder.lora.map_or(0.0, |lora| lora.alpha / lora.rank as f64);
        Ok(Self { linear, a, b, scale })
    }

    /// `[batch, time, in]` to `[batch, time, out]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let y = precision::linear(&self.linear, x.clone());
        let (Some(a), Some(b)) = (&self.a, &self.b) else { return y };
        let (a, b) = (cast_like(a.val(), &x), cast_like(b.val(), &x));
        let low_rank = x.matmul(a.transpose().unsqueeze());
        y + low_rank.matmul(b.transpose().unsqueeze()).mul_scalar(self.scale)
    }
}
