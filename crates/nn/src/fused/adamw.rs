//! Optimiser steps.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use cupola_kernels::training::optimizer::adamw::{AdamwStep, update};

use super::{contiguous, is_supported, plain, values, wrap};

/// Weights, first and second moment of a parameter.
pub type AdamwTensors<const D: usize> = [Tensor<D>; 3];

/// Step of `AdamW` in one pass over weights and moments.
///
/// # Errors
/// Returns the tensors unchanged if they are not 32-bit floats on Flex, without autodiff.
pub fn adamw_step<const D: usize>(
    tensors: AdamwTensors<D>,
    gradient: &Tensor<D>,
    by: &AdamwStep,
) -> Result<AdamwTensors<D>, AdamwTensors<D>> {
    let tensors = tensors.map(Tensor::into_dispatch);
    let gradient = gradient.clone().into_dispatch();
    let is_plain = |tensor| is_supported(tensor) && !super::is_tracked(tensor);
    if !tensors.iter().all(is_plain) || !is_plain(&gradient) {
        return Err(tensors.map(wrap));
    }
    let gradient = contiguous(plain(gradient));
    let mut tensors = tensors.map(|tensor| whole(plain(tensor)));
    let [weights, first, second] = &mut tensors;
    let moments = [first.storage_mut(), second.storage_mut()];
    update(weights.storage_mut(), values(&gradient), moments, by);
    Ok(tensors.map(|tensor| wrap(super::untracked(tensor))))
}

/// The same values as the whole of a buffer in row-major order.
fn whole(tensor: FlexTensor) -> FlexTensor {
    let count = tensor.layout().num_elements();
    let is_whole = tensor.layout().contiguous_offsets() == Some((0, count))
        && tensor.bytes().len() == count * size_of::<f32>();
    if is_whole { tensor } else { tensor.to_contiguous() }
}
