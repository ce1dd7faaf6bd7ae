//! Linear layers.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::nn::Linear;
use burn::tensor::Tensor;
use cupola_kernels::Pointwise;
use cupola_kernels::training::{activation, linear as kernel};
use cupola_spec::Activation;

use super::{FusedOp, activate, apply, flex, of_inputs, pointwise, values, wrap};

/// Rows from which on packing the weights pays off.
const MIN_ROWS: usize = 128;

/// Forward pass of a linear layer over the last axis.
pub(crate) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    forward(layer, x, None).unwrap_or_else(|x| layer.forward(x))
}

/// Forward pass of a linear layer over the last axis, and of the activation after it.
pub(crate) fn activated_linear<const D: usize>(
    layer: &Linear,
    x: Tensor<D>,
    function: Activation,
) -> Tensor<D> {
    forward(layer, x, Some(pointwise(function))).unwrap_or_else(|x| activate(function, layer.forward(x)))
}

/// The kernel's forward pass; returns `x` if there is no kernel for its rows, device or type.
fn forward<const D: usize>(
    layer: &Linear,
    x: Tensor<D>,
    activation: Option<Pointwise>,
) -> Result<Tensor<D>, Tensor<D>> {
    if x.dims()[..D - 1].iter().product::<usize>() < MIN_ROWS {
        return Err(x);
    }
    let op = LinearOp { activation };
    let (x, weight) = (x.into_dispatch(), layer.weight.val().into_dispatch());
    let found = match &layer.bias {
        Some(bias) => apply(op, [x, weight, bias.val().into_dispatch()]).map_err(|[x, ..]| x),
        None => apply(op, [x, weight]).map_err(|[x, ..]| x),
    };
    found.map(wrap).map_err(wrap)
}

#[derive(Debug)]
struct LinearOp {
    activation: Option<Pointwise>,
}

/// Inputs are rows, weight and, if there is one, bias.
impl<const N: usize> FusedOp<N> for LinearOp {
    /// Rows, weight, and the values that the activation's derivative is computed from.
    type Saved = ([FlexTensor; 2], Option<FlexTensor>);

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved) {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else {
            unreachable!("a linear layer of {N} inputs");
        };
        let bias = inputs.next();
        let (bias, sizes) = (bias.as_ref().map(values), weight.shape().dims());
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        shape[last] = sizes[1];
        let Some(function) = self.activation else {
            let y = kernel::forward(values(&x), values(&weight), bias, sizes);
            return (flex(y, shape), ([x, weight], None));
        };
        let found = kernel::forward_activated(values(&x), values(&weight), bias, sizes, function);
        let y = flex(found.y, shape.clone());
        let before = if function == Pointwise::Relu { y.clone() } else { flex(found.before, shape) };
        (y, ([x, weight], Some(before)))
    }

    fn backward(
        &self,
        ([x, weight], before): Self::Saved,
        gradient: FlexTensor,
        needed: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let gradient = match (self.activation, &before) {
            (Some(function), Some(before)) => {
                let found = activation::backward(function, values(before), values(&gradient));
                flex(found, gradient.shape())
            }
            _ => gradient,
        };
        let sizes = weight.shape().dims();
        let needed = std::array::from_fn(|input| needed.get(input).copied().unwrap_or_default());
        let found = kernel::backward(values(&x), values(&weight), values(&gradient), sizes, needed);
        of_inputs([
            needed[0].then(|| flex(found.x, x.shape())),
            needed[1].then(|| flex(found.weight, weight.shape())),
            needed[2].then(|| flex(found.bias, [sizes[1]])),
        ])
    }
}
