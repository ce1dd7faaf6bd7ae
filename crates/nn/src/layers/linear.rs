//! Linear layers, with and without low-rank adapters.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use cupola_spec::Init;

use crate::error::Error;
use crate::precision::{self, cast_like};
use crate::weights::{Builder, LORA_A, LORA_B};

/// Builds `torch.nn.Linear` under `name`.
pub fn linear(
    builder: &mut Builder<'_>,
    name: &str,
    input: usize,
    output: usize,
    bias: bool,
) -> Result<Linear, Error> {
    let weight = builder.linear(&format!("{name}.weight"), input, output)?;
    let init = Init::Uniform { fan_in: input };
    let bias = bias.then(|| builder.param(&format!("{name}.bias"), [output], init)).transpose()?;
    Ok(Linear { weight, bias })
}

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
    pub(super) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        input: usize,
        output: usize,
        bias: bool,
    ) -> Result<Self, Error> {
        let linear = linear(builder, name, input, output, bias)?;
        let Some(lora) = builder.lora else { return Ok(Self { linear, a: None, b: None, scale: 0.0 }) };
        // B starts at zero, so that the network starts as the one it adapts.
        let init = Init::Uniform { fan_in: input };
        let a = builder.param(&format!("{name}.{LORA_A}"), [lora.rank, input], init)?;
        let b = builder.param(&format!("{name}.{LORA_B}"), [output, lora.rank], Init::Constant(0.0))?;
        Ok(Self { linear, a: Some(a), b: Some(b), scale: lora.alpha / lora.rank as f64 })
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
