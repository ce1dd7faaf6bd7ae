//! Mixed precision: activations in 16 bits; weights, norms, softmax and loss in 32 (Micikevicius et al. 2018, section 3).
//!
//! A layer computes in the type of its input and casts its weights to it; the gradient passes through that cast back to
//! 32 bits.

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use cupola_spec::{Activation, Precision};

use crate::error::Error;
use crate::fused;

/// Type of the activations on a device; `None` for 32 bits.
///
/// # Errors
/// [`Error::Precision`] if the device does not compute in that type.
pub fn activation_dtype(
    precision: Precision,
    device: &Device,
    name: &str,
) -> Result<Option<FloatDType>, Error> {
    let candidates = match precision {
        Precision::Fp32 => return Ok(None),
        Precision::Fp16 => vec![FloatDType::F16],
        Precision::Bf16 => vec![FloatDType::BF16],
        Precision::Mixed => vec![FloatDType::BF16, FloatDType::F16],
    };
    match candidates.into_iter().find(|dtype| device.supports_dtype(*dtype)) {
        Some(dtype) => Ok(Some(dtype)),
        None => Err(Error::Precision { device: name.to_owned(), precision: precision.name() }),
    }
}

/// Casts `weight` to the type of `x`.
pub(crate) fn cast_like<const D: usize, const E: usize>(weight: Tensor<D>, x: &Tensor<E>) -> Tensor<D> {
    // A cast to the same type does nothing.
    weight.cast(x.dtype())
}

fn cast_param<const D: usize, const E: usize>(param: &Param<Tensor<D>>, x: &Tensor<E>) -> Param<Tensor<D>> {
    Param::initialized(param.id, cast_like(param.val(), x))
}

/// Forward pass of a linear layer in the type of `x`.
pub(crate) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 {
        return fused::linear(layer, x);
    }
    let (weight, bias) =
        (cast_param(&layer.weight, &x), layer.bias.as_ref().map(|bias| cast_param(bias, &x)));
    Linear { weight, bias }.forward(x)
}

/// Forward pass of a linear layer, and of the activation after it, in the type of `x`.
pub(crate) fn activated_linear<const D: usize>(
    layer: &Linear,
    x: Tensor<D>,
    function: Activation,
) -> Tensor<D> {
    if x.dtype() == DType::F32 {
        return fused::activated_linear(layer, x, function);
    }
    fused::activate(function, linear(layer, x))
}

/// Forward pass of a convolution in the type of `x`.
pub(crate) fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    if x.dtype() == DType::F32 {
        return fused::conv2d(layer, x);
    }
    let (weight, bias) =
        (cast_param(&layer.weight, &x), layer.bias.as_ref().map(|bias| cast_param(bias, &x)));
    Conv2d { weight, bias, ..layer.clone() }.forward(x)
}

/// Computes a function in 32 bits and casts its result to the type of `x`.
pub(crate) fn in_f32<const D: usize, const E: usize>(
    x: Tensor<D>,
    function: impl FnOnce(Tensor<D>) -> Tensor<E>,
) -> Tensor<E> {
    match x.dtype() {
        DType::F32 => function(x),
        dtype => function(x.cast(FloatDType::F32)).cast(dtype),
    }
}
