//! Logarithms of the probabilities of target classes.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::backend::{BackendTensor, DispatchTensorKind, TensorMetadata};
use burn::tensor::{DType, Int, Tensor};
use cupola_kernels::training::cross_entropy as kernel;

use super::{FusedOp, apply, contiguous, flex, primitive, values, wrap};

/// Logarithm `[rows]` of the softmax of `logits` `[rows, classes]` at `class` `[rows]`; `None` if the device or type has
/// no kernel.
pub(crate) fn target_log_probabilities(logits: &Tensor<2>, class: &Tensor<1, Int>) -> Option<Tensor<1>> {
    let logits = logits.clone().into_dispatch();
    // Targets are converted only for tensors that have the kernel.
    primitive(&logits)?;
    let targets = Arc::new(indices(class, logits.shape().dims::<2>()[1])?);
    apply(TargetsOp { targets }, [logits]).ok().map(wrap)
}

/// Indices below `end` of an integer tensor on Flex.
fn indices(class: &Tensor<1, Int>, end: usize) -> Option<Vec<usize>> {
    let DispatchTensorKind::Flex(BackendTensor::Int(class)) = class.clone().into_dispatch().kind else {
        return None;
    };
    let class = contiguous(class);
    let indices: Option<Vec<usize>> = match class.dtype() {
        DType::I64 => class.as_slice::<i64>()?.iter().map(|i| usize::try_from(*i).ok()).collect(),
        DType::I32 => class.as_slice::<i32>()?.iter().map(|i| usize::try_from(*i).ok()).collect(),
        _ => None,
    };
    indices.filter(|indices| indices.iter().all(|index| *index < end))
}

#[derive(Debug)]
struct TargetsOp {
    targets: Arc<Vec<usize>>,
}

impl FusedOp<1> for TargetsOp {
    type Saved = (FlexTensor, Vec<[f32; 2]>);

    fn forward(&self, [logits]: [FlexTensor; 1]) -> (FlexTensor, Self::Saved) {
        let [rows, classes] = logits.shape().dims();
        let found = kernel::forward(values(&logits), &self.targets, classes);
        (flex(found.values, [rows]), (logits, found.log_sums))
    }

    fn backward(
        &self,
        (logits, log_sums): Self::Saved,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let found = kernel::backward(values(&logits), &self.targets, &log_sums, values(&gradient));
        [Some(flex(found, logits.shape()))]
    }
}
