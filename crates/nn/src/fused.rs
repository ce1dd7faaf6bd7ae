//! Operations with a hand-written backward pass on the CPU kernels.
//!
//! Tensors on Flex in 32 bits take the kernels of `cupola-kernels`; any other device, type or gradient checkpointing
//! takes the composition of Burn's operations that each function is given beside them.

#![allow(clippy::result_large_err, reason = "an operation that does not apply gives its inputs back")]

mod activation;
mod adamw;
mod attention;
mod conv;
mod cross_entropy;
mod dropout;
mod gradient_norm;
mod linear;
mod norm;
mod recurrent;
#[cfg(test)]
mod tests;

use std::fmt::Debug;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, BackendTensor, DispatchAutodiffContext, DispatchTensor, DispatchTensorKind,
    Flex, GradientCheckpointingStrategy, TensorMetadata,
};
use burn::tensor::{DType, Shape, Tensor};
use burn_std::Bytes;

pub(crate) use self::activation::activate;
pub use self::activation::pointwise;
pub use self::adamw::{AdamwTensors, adamw_step};
pub(crate) use self::attention::attention;
pub(crate) use self::conv::{conv1d, conv2d};
pub(crate) use self::cross_entropy::target_log_probabilities;
pub(crate) use self::dropout::dropout;
pub use self::gradient_norm::square_sum;
pub(crate) use self::linear::{activated_linear, linear};
pub(crate) use self::norm::{batch_norm, layer_norm, rms_norm};
pub use self::recurrent::cell_kind;
pub(crate) use self::recurrent::{DirectionWeights, recurrent};

/// Operation on `N` tensors with its derivative.
trait FusedOp<const N: usize>: Debug + Send + 'static {
    /// Values that the backward pass needs.
    type Saved: Clone + Debug + Send + 'static;

    /// Prepares the layout of an input: row-major, unless the operation reads others.
    fn arrange(input: FlexTensor) -> FlexTensor {
        contiguous(input)
    }

    /// Computes the output.
    fn forward(&self, inputs: [FlexTensor; N]) -> (FlexTensor, Self::Saved);

    /// Computes the gradients of the inputs that are `needed` from the gradient of the output.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        needed: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// Backward step of an operation.
#[derive(Debug)]
struct BackwardStep<O>(O);

impl<O: FusedOp<N>, const N: usize> Backward<Flex, N> for BackwardStep<O> {
    type State = O::Saved;

    fn backward(self, ops: Ops<O::Saved, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let needed = ops.parents.each_ref().map(Option::is_some);
        let found = self.0.backward(ops.state, contiguous(gradient), needed);
        for (parent, gradient) in ops.parents.into_iter().zip(found) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// Applies an operation if all inputs are on Flex in 32 bits; otherwise returns the inputs.
fn apply<O: FusedOp<N>, const N: usize>(
    op: O,
    inputs: [DispatchTensor; N],
) -> Result<DispatchTensor, [DispatchTensor; N]> {
    if !inputs.iter().all(is_supported) {
        return Err(inputs);
    }
    if !inputs.iter().any(is_tracked) {
        let (output, _) = op.forward(inputs.map(|input| O::arrange(plain(input))));
        return Ok(untracked(output));
    }
    let inputs = inputs.map(tracked);
    let nodes = inputs.each_ref().map(FloatTensor::<Autodiff<Flex>>::node);
    let (output, saved) = op.forward(inputs.map(|input| O::arrange(input.into_primitive())));
    let prepared = BackwardStep(op).prepare::<NoCheckpointing>(nodes).compute_bound().stateful();
    let output = match prepared {
        OpsKind::Tracked(prepared) => prepared.finish(saved, output),
        OpsKind::UnTracked(prepared) => prepared.finish(output),
    };
    Ok(DispatchTensor {
        kind: DispatchTensorKind::Autodiff(Box::new(DispatchTensorKind::Flex(BackendTensor::Autodiff(
            output,
        )))),
        autodiff: DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Disabled),
    })
}

/// `true` for 32-bit floats on Flex, without gradient checkpointing: that recomputes only Burn's own operations.
fn is_supported(tensor: &DispatchTensor) -> bool {
    let checkpoints = DispatchAutodiffContext::Enabled(GradientCheckpointingStrategy::Balanced);
    let on_flex = match &tensor.kind {
        DispatchTensorKind::Flex(BackendTensor::Float(_)) => true,
        DispatchTensorKind::Autodiff(inner) => matches!(**inner, DispatchTensorKind::Flex(_)),
        _ => false,
    };
    on_flex && tensor.autodiff != checkpoints && tensor.dtype() == DType::F32
}

/// `true` for a tensor on an autodiff device.
fn is_tracked(tensor: &DispatchTensor) -> bool {
    tensor.autodiff != DispatchAutodiffContext::Disabled
}

/// Dispatch tensor without autodiff.
fn untracked(tensor: FlexTensor) -> DispatchTensor {
    DispatchTensor {
        kind: DispatchTensorKind::Flex(BackendTensor::Float(tensor)),
        autodiff: DispatchAutodiffContext::Disabled,
    }
}

/// Handle of the values of a supported tensor; `None` for any other.
fn primitive(tensor: &DispatchTensor) -> Option<FlexTensor> {
    if !is_supported(tensor) {
        return None;
    }
    match &tensor.kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => Some(tensor.clone()),
        DispatchTensorKind::Autodiff(inner) => match &**inner {
            DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => Some(tensor.primitive().clone()),
            _ => None,
        },
        _ => None,
    }
}

/// The primitive of a tensor without autodiff.
fn plain(tensor: DispatchTensor) -> FlexTensor {
    let DispatchTensorKind::Flex(tensor) = tensor.kind else {
        unreachable!("the tensor was checked to be on Flex");
    };
    tensor.float()
}

/// The autodiff primitive of a tensor; a tensor without autodiff becomes a constant.
fn tracked(tensor: DispatchTensor) -> FloatTensor<Autodiff<Flex>> {
    let kind = match tensor.kind {
        DispatchTensorKind::Autodiff(inner) => *inner,
        kind => kind,
    };
    let DispatchTensorKind::Flex(tensor) = kind else {
        unreachable!("the tensor was checked to be on Flex");
    };
    match tensor {
        BackendTensor::Float(tensor) => Autodiff::<Flex>::from_inner(tensor),
        tensor => tensor.autodiff(),
    }
}

/// The same values in row-major order, copied only if they are not.
fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().contiguous_offsets().is_some() { tensor } else { tensor.to_contiguous() }
}

/// Values of a contiguous tensor.
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().unwrap_or_else(|| unreachable!("inputs are made contiguous: {tensor:?}"))
}

/// Gradients of the `N` inputs of an operation whose last input, the bias, is optional.
fn of_inputs<const N: usize>(gradients: [Option<FlexTensor>; 3]) -> [Option<FlexTensor>; N] {
    let mut gradients = gradients.into_iter();
    std::array::from_fn(|_| gradients.next().flatten())
}

/// Tensor of these values.
fn flex(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape.into()), DType::F32)
}

/// Tensor of the high-level interface.
fn wrap<const D: usize>(tensor: DispatchTensor) -> Tensor<D> {
    Tensor::from_dispatch(tensor)
}
