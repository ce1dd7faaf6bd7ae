//! Burn's optimisers from the spec, and clipping by the global norm, which Burn lacks.

use burn::module::{Module, ModuleVisitor, Param, ParamGroup};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    AdamWConfig, DynOptimizer, DynState, GradientsParams, ModuleOptimizer, SgdConfig, StateSink, StateSource,
};
use burn::tensor::kind::BridgeTensor;
use burn::tensor::{Device, Tensor};
use cupola_nn::Network;
use cupola_spec::{Optimizer, OptimizerKind};

/// The optimiser that a spec asks for; loaded moments are put on `device`.
#[allow(clippy::cast_possible_truncation)]
pub fn optimizer(spec: &Optimizer, device: &Device) -> ModuleOptimizer {
    match spec.kind {
        OptimizerKind::Adamw => {
            let config = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(spec.weight_decay as f32);
            on_device(config.build(), device)
        }
        OptimizerKind::Sgd => {
            let momentum = (spec.momentum > 0.0).then(|| {
                MomentumConfig::new()
                    .with_momentum(spec.momentum)
                    .with_dampening(0.0)
                    .with_nesterov(spec.nesterov)
            });
            let decay = (spec.weight_decay > 0.0).then(|| WeightDecayConfig::new(spec.weight_decay as f32));
            on_device(SgdConfig::new().with_momentum(momentum).with_weight_decay(decay).build(), device)
        }
    }
}

fn on_device<O: burn::optim::Optimizer>(inner: O, device: &Device) -> ModuleOptimizer {
    let group = OnDevice { inner: inner.clone(), device: device.clone() };
    ModuleOptimizer::from(inner).with_group(ParamGroup::all(), group, None)
}

/// Burn reads a saved state onto its default device, which may be a GPU that is not there; this
/// reads it onto the run's own.
struct OnDevice<O> {
    inner: O,
    device: Device,
}

impl<O: burn::optim::Optimizer> DynOptimizer for OnDevice<O> {
    fn step_dyn(
        &self,
        rank: usize,
        lr: f64,
        tensor: BridgeTensor,
        grad: BridgeTensor,
        state: Option<DynState>,
    ) -> (BridgeTensor, Option<DynState>) {
        self.inner.step_dyn(rank, lr, tensor, grad, state)
    }

    fn to_device_dyn(&self, state: DynState, device: &Device) -> DynState {
        self.inner.to_device_dyn(state, device)
    }

    fn state_flatten(&self, prefix: &str, state: &DynState, out: &mut StateSink) {
        self.inner.state_flatten(prefix, state, out);
    }

    fn state_unflatten(
        &self,
        rank: usize,
        prefix: &str,
        source: &mut StateSource,
        _: &Device,
    ) -> Option<DynState> {
        self.inner.state_unflatten(rank, prefix, source, &self.device)
    }
}

/// L2 norm of all gradients together, as `torch.nn.utils.clip_grad_norm_` has it.
///
/// # Errors
/// The device's word when it cannot give the number back.
pub fn global_norm(network: &Network, grads: &GradientsParams) -> Result<f64, String> {
    let mut squares = Squares { grads, parts: Vec::new() };
    network.visit(&mut squares);
    if squares.parts.is_empty() {
        return Ok(0.0);
    }
    let sum = Tensor::cat(squares.parts, 0).sum();
    sum.try_into_scalar::<f32>().map(|sum| f64::from(sum).sqrt()).map_err(|e| e.to_string())
}

/// Scales all gradients so that their global norm is at most `limit`.
pub(crate) fn clip(network: &Network, mut grads: GradientsParams, norm: f64, limit: f64) -> GradientsParams {
    // PyTorch's 1e-6 keeps a norm just above the limit from being scaled by more than one.
    let factor = limit / (norm + 1e-6);
    if factor < 1.0 {
        network.visit(&mut Scale { grads: &mut grads, factor });
    }
    grads
}

struct Squares<'a> {
    grads: &'a GradientsParams,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            self.parts.push(grad.square().sum());
        }
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, grad.mul_scalar(self.factor));
        }
    }
}
