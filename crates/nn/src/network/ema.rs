//! Exponential moving average of weights.

use std::any::Any;
use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::Tensor;

use super::Network;

impl Network {
    /// Moves every weight and running statistic by `1 - decay` of the way to those of `live`, an inference network on
    /// the same device.
    #[must_use]
    pub fn ema_update(self, live: &Self, decay: f64) -> Self {
        let mut tensors = Tensors::default();
        live.visit(&mut tensors);
        self.map(&mut EmaUpdate { live: tensors, decay })
    }
}

/// Float tensors of a network by their ids.
#[derive(Default)]
struct Tensors(HashMap<ParamId, Box<dyn Any>>);

impl ModuleVisitor for Tensors {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, Box::new(param.val()));
    }
}

struct EmaUpdate {
    live: Tensors,
    decay: f64,
}

impl ModuleMapper for EmaUpdate {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let live = self.live.0.remove(&param.id).and_then(|live| live.downcast::<Tensor<D>>().ok());
        let decay = self.decay;
        match live {
            Some(live) => param.map(|old| old.mul_scalar(decay) + live.mul_scalar(1.0 - decay)),
            None => param,
        }
    }
}
