//! Layer normalisation and RMS normalisation over the last axis.

use burn::nn::{LayerNorm, LayerNormConfig, RmsNorm, RmsNormConfig};

use crate::error::Error;
use crate::weights::ModuleBuilder;

/// `PyTorch`'s default epsilon.
const EPSILON: f64 = 1e-5;

/// Builds `torch.nn.LayerNorm` (Ba et al. 2016).
pub fn layer_norm(module: &mut ModuleBuilder<'_, '_>, eps: Option<f64>) -> Result<LayerNorm, Error> {
    let weight = module.param::<1>("weight")?;
    let config = LayerNormConfig::new(weight.dims()[0]).with_epsilon(eps.unwrap_or(EPSILON));
    let mut norm = config.init(module.builder.device);
    norm.gamma = weight;
    norm.beta = module.optional("bias")?;
    Ok(norm)
}

/// Builds `torch.nn.RMSNorm` (Zhang and Sennrich 2019).
pub fn rms_norm(module: &mut ModuleBuilder<'_, '_>, eps: Option<f64>) -> Result<RmsNorm, Error> {
    named_rms_norm(module, "weight", eps)
}

/// Builds `torch.nn.RMSNorm` from the weight of this name.
pub fn named_rms_norm(
    module: &mut ModuleBuilder<'_, '_>,
    weight: &str,
    eps: Option<f64>,
) -> Result<RmsNorm, Error> {
    let weight = module.param::<1>(weight)?;
    let config = RmsNormConfig::new(weight.dims()[0]).with_epsilon(eps.unwrap_or(EPSILON));
    let mut norm = config.init(module.builder.device);
    norm.gamma = weight;
    Ok(norm)
}
