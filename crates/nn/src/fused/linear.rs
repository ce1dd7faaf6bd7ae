//! Linear layers.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::nn::Linear;
use burn::tensor::Tensor;
use cupola_kernels::training::linear as kernel;

use super::{FusedOp, apply, flex, of_inputs, values, wrap};

/// Rows from which on packing the weights pays off.
const MIN_ROWS: usize = 128;

/// Forward pass of a linear layer over the last axis.
pub(crate) fn linear<const D: usize>(layer: &Linear, x: Tensor<D>) -> Tensor<D> {
    if x.dims()[..D - 1].iter().product::<usize>() < MIN_ROWS {
        return layer.forward(x);
    }
    let (x, weight) = (x.into_dispatch(), layer.weight.val().into_dispatch());
    let found = match &layer.bias {
        Some(bias) => apply(LinearOp, [x, weight, bias.val().into_dispatch()]).map_err(|[x, ..]| x),
        None => apply(LinearOp, [x, weight]).map_err(|[x, ..]| x),
    };
    match found {
        Ok(y) => wrap(y),
        Err(x) => layer.forward(wrap(x)),
    }
}

#[derive(Debug)]
struct LinearOp;

/// Inputs are rows, weight and, if there is one, bias.
impl<const N: usize> FusedOp<N> for LinearOp {
    type Saved = [FlexTensor; 2];

    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, [FlexTensor; 2]) {
        let mut inputs = inputs.into_iter();
        let (Some(x), Some(weight)) = (inputs.next(), inputs.next()) else {
            unreachable!("a linear layer of {N} inputs");
        };
        let bias = inputs.next();
        let [input, output] = weight.shape().dims();
        let y = kernel::forward(values(&x), values(&weight), bias.as_ref().map(values), [input, output]);
        let mut shape = x.shape();
        let last = shape.num_dims() - 1;
        shape[last] = output;
        (flex(y, shape), [x, weight])
    }

    fn backward(
        &self,
        [x, weight]: [FlexTensor; 2],
        gradient: FlexTensor,
        needed: [bool; N],
    ) -> [Option<FlexTensor>; N] {
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
