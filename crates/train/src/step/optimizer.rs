//! Burn's optimisers as configured.

mod adamw;
mod decay_share;

use std::collections::BTreeMap;

use burn::module::{ParamGroup, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{
    Adafactor, AdafactorConfig, AdjustLrFn, DynOptimizer, DynState, Lion, LionConfig, ModuleOptimizer, Muon,
    MuonConfig, Sgd, SgdConfig, StateSink, StateSource,
};
use burn::tensor::Device;
use burn::tensor::kind::BridgeTensor;
use cupola_nn::Network;
use cupola_spec::{Group, Optimizer, OptimizerKind, Train, matches_pattern};

use self::adamw::FusedAdamW;
pub use self::decay_share::DecayShare;

/// Optimiser of a run, which loads moments onto `device`. Weights without decay and configured groups become
/// parameter groups; the last group that matches a weight applies. `share` is the share of the configured weight decay
/// that `AdamW` applies.
pub fn optimizer(train: &Train, network: &Network, device: &Device, share: &DecayShare) -> ModuleOptimizer {
    let spec = &train.optimizer;
    let decayed = network.decayed_parameters();
    // Muon updates matrices only.
    let muon = if spec.kind == OptimizerKind::Muon { network.hidden_matrices() } else { Vec::new() };
    let with = Grouping { spec, device, decayed: &decayed, muon: &muon, share };
    let all: Vec<ParamId> = network.parameter_ids().map(|(id, _)| id).collect();
    // The first optimiser has to match all parameters; its state type is that of the others.
    let base = match spec.kind {
        OptimizerKind::Adamw | OptimizerKind::Muon => ModuleOptimizer::from(adamw(spec, 0.0, share)),
        OptimizerKind::Sgd => ModuleOptimizer::from(sgd(spec, 0.0)),
        OptimizerKind::Lion => ModuleOptimizer::from(lion(spec, 0.0)),
        OptimizerKind::Adafactor => ModuleOptimizer::from(adafactor(0.0)),
    };
    let mut optimizer = with.add(base, &all, 1.0, spec.weight_decay);
    for group in &train.groups {
        let decay = group.weight_decay.unwrap_or(spec.weight_decay);
        for (inputs, ids) in by_inputs(group, network) {
            #[allow(clippy::cast_precision_loss, reason = "widths are small")]
            let root = (inputs as f64).sqrt();
            // A step shrinks weights by rate times decay, which the width must not change.
            optimizer = with.add(optimizer, &ids, group.rate / root, decay * root);
        }
    }
    optimizer
}

/// Parameters that a group matches, by the number of inputs that scales their rate: 1 unless the group is scaled by
/// width.
fn by_inputs(group: &Group, network: &Network) -> BTreeMap<usize, Vec<ParamId>> {
    let mut matching: BTreeMap<usize, Vec<ParamId>> = BTreeMap::new();
    for ((id, name), inputs) in network.parameter_ids().zip(network.parameter_inputs()) {
        if matches_pattern(&group.weights, name) {
            matching.entry(if group.width_scaled { inputs } else { 1 }).or_default().push(id);
        }
    }
    matching
}

/// Division of parameters into groups.
struct Grouping<'a> {
    spec: &'a Optimizer,
    device: &'a Device,
    decayed: &'a [ParamId],
    muon: &'a [ParamId],
    share: &'a DecayShare,
}

impl Grouping<'_> {
    /// Adds up to three groups for `ids`: without decay, with decay, and with Muon.
    fn add(&self, mut optimizer: ModuleOptimizer, ids: &[ParamId], rate: f64, decay: f64) -> ModuleOptimizer {
        for (decays, is_muon) in [(false, false), (true, false), (true, true)] {
            let fits =
                |id: &&ParamId| self.decayed.contains(id) == decays && self.muon.contains(id) == is_muon;
            let ids: Vec<ParamId> = ids.iter().filter(fits).copied().collect();
            if ids.is_empty() {
                continue;
            }
            let group = ParamGroup::from_ids(ids);
            let decay = if decays { decay } else { 0.0 };
            optimizer = match self.spec.kind {
                OptimizerKind::Muon if is_muon => self.group(optimizer, group, muon(decay), rate),
                OptimizerKind::Adamw | OptimizerKind::Muon => {
                    self.group(optimizer, group, adamw(self.spec, decay, self.share), rate)
                }
                OptimizerKind::Sgd => self.group(optimizer, group, sgd(self.spec, decay), rate),
                OptimizerKind::Lion => self.group(optimizer, group, lion(self.spec, decay), rate),
                OptimizerKind::Adafactor => self.group(optimizer, group, adafactor(decay), rate),
            };
        }
        optimizer
    }

    fn group<O: burn::optim::Optimizer>(
        &self,
        optimizer: ModuleOptimizer,
        group: ParamGroup,
        inner: O,
        rate: f64,
    ) -> ModuleOptimizer {
        optimizer.with_group(group, OnDevice { inner, device: self.device.clone(), rate }, None)
    }
}

fn adamw(spec: &Optimizer, decay: f64, share: &DecayShare) -> FusedAdamW {
    FusedAdamW::new(spec.betas.unwrap_or([0.9, 0.999]), decay, share.clone())
}

#[allow(clippy::cast_possible_truncation)]
fn sgd(spec: &Optimizer, decay: f64) -> Sgd {
    let momentum = (spec.momentum > 0.0).then(|| {
        MomentumConfig::new().with_momentum(spec.momentum).with_dampening(0.0).with_nesterov(spec.nesterov)
    });
    let decay = (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32));
    SgdConfig::new().with_momentum(momentum).with_weight_decay(decay).build()
}

#[allow(clippy::cast_possible_truncation)]
fn lion(spec: &Optimizer, decay: f64) -> Lion {
    let [first, second] = spec.betas.unwrap_or([0.9, 0.99]);
    LionConfig::new()
        .with_beta_1(first as f32)
        .with_beta_2(second as f32)
        .with_weight_decay(decay as f32)
        .build()
}

#[allow(clippy::cast_possible_truncation)]
fn muon(decay: f64) -> Muon {
    let decay = (decay > 0.0).then(|| WeightDecayConfig::new(decay as f32));
    MuonConfig::new().with_weight_decay(decay).with_adjust_lr_fn(AdjustLrFn::MatchRmsAdamW).build()
}

/// Adafactor with the scheduled rate, neither capped by the step nor scaled by the weights.
#[allow(clippy::cast_possible_truncation)]
fn adafactor(decay: f64) -> Adafactor {
    AdafactorConfig::new()
        .with_relative_step(false)
        .with_scale_parameter(false)
        .with_weight_decay(decay as f32)
        .build()
}

/// Optimiser that loads a saved state onto the run's device. Burn would load it onto its default device,
/// which may be a GPU that does not exist.
struct OnDevice<O> {
    inner: O,
    device: Device,
    /// Factor of the learning rate.
    rate: f64,
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
        if self.rate <= 0.0 {
            return (tensor, state);
        }
        self.inner.step_dyn(rank, lr * self.rate, tensor, grad, state)
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
