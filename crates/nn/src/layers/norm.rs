//! Layer normalisation and RMS normalisation over the last axis.

use burn::nn::{LayerNorm, LayerNormConfig, RmsNorm, RmsNormConfig};
use cupola_spec::Init;

use crate::error::Error;
use crate::weights::Builder;

/// `PyTorch`'s default epsilon.
const EPSILON: f64 = 1e-5;

/// Builds `torch.nn.LayerNorm` (Ba et al. 2016).
pub fn layer_norm(
    builder: &mut Builder<'_>,
    name: &str,
    width: usize,
    eps: Option<f64>,
) -> Result<LayerNorm, Error> {
    let mut norm = LayerNormConfig::new(width).with_epsilon(eps.unwrap_or(EPSILON)).init(builder.device);
    norm.gamma = builder.param(&format!("{name}.weight"), [width], Init::Constant(1.0))?;
    norm.beta = Some(builder.param(&format!("{name}.bias"), [width], Init::Constant(0.0))?);
    Ok(norm)
}

/// Builds `torch.nn.RMSNorm` (Zhang and Sennrich 2019).
pub fn rms_norm(
    builder: &mut Builder<'_>,
    name: &str,
    width: usize,
    eps: Option<f64>,
) -> Result<RmsNorm, Error> {
    let mut norm = RmsNormConfig::new(width).with_epsilon(eps.unwrap_or(EPSILON)).init(builder.device);
    norm.gamma = builder.param(&format!("{name}.weight"), [width], Init::Constant(1.0))?;
    Ok(norm)
}
