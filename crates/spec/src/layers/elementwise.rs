//! Element-wise layers: `activation`, `dropout` and `glu`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::contract::{
    Init, LayerContract, Misfit, WeightSpec, last, probability, volume, with_last,
};

/// Element-wise functions, as `PyTorch` defines them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// `max(x, 0)`
    #[default]
    Relu,
    /// The exact Gaussian error linear unit, with erf.
    #[serde(alias = "gelu_python")]
    Gelu,
    /// `x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))`, GPT-2's approximation (Hendrycks and
    /// Gimpel 2016).
    #[serde(
        alias = "gelu_new",
        alias = "gelu_fast",
        alias = "gelu_accurate",
        alias = "gelu_pytorch_tanh",
        alias = "gelu_python_tanh"
    )]
    GeluTanh,
    /// `x * sigmoid(x)`
    #[serde(alias = "swish")]
    Silu,
    /// Hyperbolic tangent.
    Tanh,
    /// `1 / (1 + exp(-x))`
    Sigmoid,
    /// The scaled exponential linear unit (Klambauer et al. 2017): `1.0507 x` above 0, `1.7581 (exp(x) - 1)`
    /// below.
    Selu,
    /// `x * tanh(ln(1 + exp(x)))` (Misra 2019).
    Mish,
}

impl Activation {
    /// Name of the function in a config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Relu => "relu",
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_tanh",
            Self::Silu => "silu",
            Self::Tanh => "tanh",
            Self::Sigmoid => "sigmoid",
            Self::Selu => "selu",
            Self::Mish => "mish",
        }
    }
}

/// An activation function on each element.
pub(super) fn activation(input: &[usize]) -> LayerContract {
    LayerContract::elementwise(input.to_vec(), 1)
}

/// A share of an activation for each feature, `x + (f(x) - x) * mix` (Holzmüller et al. 2024, C.1).
pub(super) fn mixed_activation(input: &[usize]) -> Result<LayerContract, Misfit> {
    by_feature(input, "mix", 3)
}

/// A factor for each feature.
pub(super) fn scale(input: &[usize]) -> Result<LayerContract, Misfit> {
    by_feature(input, "scale", 1)
}

/// An element-wise layer with one weight for each place of the last axis, 1 before training.
fn by_feature(input: &[usize], name: &str, each: u64) -> Result<LayerContract, Misfit> {
    if input.len() > 2 {
        return Err(Misfit::new(input, "a flat input or a sequence", "put `flatten` before it"));
    }
    let weight = WeightSpec::new(name, [last(input)], Init::Constant(1.0));
    Ok(LayerContract::new(input.to_vec(), vec![weight], volume(input).saturating_mul(each)))
}

/// Random zeros in training; nothing in inference.
pub(super) fn dropout(input: &[usize], p: f64) -> Result<LayerContract, Misfit> {
    probability(input, p)?;
    Ok(LayerContract::moves(input.to_vec()))
}

/// A gated linear unit: one half of the last axis gates the other.
pub(super) fn glu(input: &[usize]) -> Result<LayerContract, Misfit> {
    let width = last(input);
    if !width.is_multiple_of(2) || input.len() > 2 {
        return Err(Misfit::new(
            input,
            "a flat input or a sequence of even width",
            "put a `linear` of even width before it",
        ));
    }
    Ok(LayerContract::elementwise(with_last(input, width / 2), 2))
}
