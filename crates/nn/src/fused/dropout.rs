//! Dropout.

use burn::backend::flex::{FlexDevice, FlexTensor};
use burn::backend::ops::IntTensorOps;
use burn::backend::{Flex, TensorMetadata};
use burn::nn::Dropout;
use burn::tensor::{Distribution, IntDType, Shape, Tensor};
use cupola_kernels::training::dropout::DropoutMask;

use super::{FusedOp, apply, flex, is_supported, values, wrap};

/// Dropout in training; elsewhere `x` as it is.
pub(crate) fn dropout<const D: usize>(layer: &Dropout, x: Tensor<D>) -> Tensor<D> {
    if !is_active(layer, &x) {
        return x;
    }
    let x = x.into_dispatch();
    if !is_supported(&x) {
        return layer.forward(wrap(x));
    }
    match apply(DropoutOp(draw_mask(layer)), [x]) {
        Ok(y) => wrap(y),
        Err([x]) => layer.forward(wrap(x)),
    }
}

/// `true` if a layer drops values of `x`, as Burn's layer decides it.
pub(super) fn is_active<const D: usize>(layer: &Dropout, x: &Tensor<D>) -> bool {
    layer.training.is_enabled() && x.device().is_autodiff() && layer.prob != 0.0
}

/// Mask of a new seed, which is one draw from the generator that [`burn::tensor::Device::seed`] sets.
pub(super) fn draw_mask(layer: &Dropout) -> DropoutMask {
    let seed = Flex::int_random(Shape::new([1]), Distribution::Default, &FlexDevice, IntDType::U64);
    DropoutMask::new(layer.prob, seed.storage::<u64>()[0])
}

#[derive(Debug)]
struct DropoutOp(DropoutMask);

impl FusedOp<1> for DropoutOp {
    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1]) -> (FlexTensor, ()) {
        (flex(self.0.apply(values(&x)), x.shape()), ())
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(flex(self.0.apply(values(&gradient)), gradient.shape()))]
    }
}
