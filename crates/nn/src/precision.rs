//! Half precision: activations in 16 bits, weights, norms, softmax and loss in 32, as automatic mixed
//! precision has it (Micikevicius et al. 2018, 3).
//!
//! A layer computes in the type of what reaches it, and takes its weights in that type; the gradient
//! comes back through that conversion in 32 bits.

use burn::module::Param;
use burn::nn::Linear;
use burn::nn::conv::Conv2d;
use burn::tensor::{DType, Device, FloatDType, Tensor};
use cupola_spec::Precision;

use crate::error::Error;
use crate::input::Flow;

/// The type of activations on a device; `None` for 32 bits.
///
/// # Errors
/// A type that the device does not compute in, with the remedy.
pub fn half(precision: Precision, device: &Device, name: &str) -> Result<Option<FloatDType>, Error> {
    let computes = |kind: FloatDType| device.supports_dtype(kind);
    let asked = match precision {
        Precision::Fp32 => return Ok(None),
        Precision::Fp16 => vec![FloatDType::F16],
        Precision::Bf16 => vec![FloatDType::BF16],
        Precision::Mixed => vec![FloatDType::BF16, FloatDType::F16],
    };
    match asked.into_iter().find(|kind| computes(*kind)) {
        Some(kind) => Ok(Some(kind)),
        None => Err(Error::Precision { device: name.to_owned(), precision: precision.name() }),
    }
}

/// `weight` in the type of `x`.
pub(crate) fn like<const D: usize, const E: usize>(weight: Tensor<D>, x: &Tensor<E>) -> Tensor<D> {
    // Nothing happens where the type is the same.
    weight.cast(x.dtype())
}

fn param<const D: usize, const E: usize>(param: &Param<Tensor<D>>, x: &Tensor<E>) -> Param<Tensor<D>> {
    Param::initialized(param.id, like(param.val(), x))
}

/// A linear layer in the type of `x`.
pub(crate) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if x.dtype() == DType::F32 {
        return layer.forward(x);
    }
    let (weight, bias) = (param(&layer.weight, &x), layer.bias.as_ref().map(|bias| param(bias, &x)));
    Linear { weight, bias }.forward(x)
}

/// A convolution in the type of `x`.
pub(crate) fn conv2d(layer: &Conv2d, x: Tensor<4>) -> Tensor<4> {
    if x.dtype() == DType::F32 {
        return layer.forward(x);
    }
    let (weight, bias) = (param(&layer.weight, &x), layer.bias.as_ref().map(|bias| param(bias, &x)));
    Conv2d { weight, bias, ..layer.clone() }.forward(x)
}

/// A function in 32 bits, its answer in the type of `x`.
pub(crate) fn wide<const D: usize, const E: usize>(
    x: Tensor<D>,
    function: impl FnOnce(Tensor<D>) -> Tensor<E>,
) -> Tensor<E> {
    match x.dtype() {
        DType::F32 => function(x),
        own => function(x.cast(FloatDType::F32)).cast(own),
    }
}

impl Flow {
    /// The same in another type.
    pub(crate) fn cast(self, kind: FloatDType) -> Self {
        match self {
            Self::Flat(x) => Self::Flat(x.cast(kind)),
            Self::Sequence(x, mask) => Self::Sequence(x.cast(kind), mask),
            Self::Image(x) => Self::Image(x.cast(kind)),
        }
    }
}
