//! Residual blocks with stochastic depth.

use burn::module::Module;
use burn::tensor::{Distribution, Tensor};
use cupola_spec::Layer;

use super::hidden::{Hidden, map_hidden};
use super::{LayerModule, build_all, forward_all};
use crate::error::Error;
use crate::precision::cast_like;
use crate::weights::ModuleBuilder;

/// `shortcut(x) + layers(x)` (He et al. 2016).
#[derive(Module, Debug)]
pub struct Residual {
    pub(crate) layers: Vec<LayerModule>,
    pub(crate) shortcut: Vec<LayerModule>,
    #[module(skip)]
    drop_path: f64,
}

impl Residual {
    pub(super) fn build(
        module: &mut ModuleBuilder<'_, '_>,
        [layers, shortcut]: [&[Layer]; 2],
        shape: &[usize],
        drop_path: f64,
    ) -> Result<Self, Error> {
        let (path, builder) = (module.path, &mut *module.builder);
        let (layers, _) = build_all(builder, &format!("{path}.layers"), layers, shape.to_vec())?;
        let (shortcut, _) = build_all(builder, &format!("{path}.shortcut"), shortcut, shape.to_vec())?;
        Ok(Self { layers, shortcut, drop_path })
    }

    /// Keeps all examples, also on an autodiff device.
    pub(super) fn disable_drop_path(&mut self) {
        self.drop_path = 0.0;
        self.layers.iter_mut().chain(&mut self.shortcut).for_each(LayerModule::disable_drop_path);
    }

    /// Sets the probabilities of `dropout` layers to a share of their configured values.
    pub(super) fn set_dropout_share(&mut self, share: f64) {
        self.layers.iter_mut().chain(&mut self.shortcut).for_each(|layer| layer.set_dropout_share(share));
    }

    pub(super) fn forward(&self, x: Hidden) -> Hidden {
        let shortcut = forward_all(&self.shortcut, x.clone());
        drop_path(forward_all(&self.layers, x), self.drop_path).add(shortcut)
    }
}

/// Stochastic depth (Huang et al. 2016): in training, zeroes whole examples with probability `p` and scales the others
/// by `1 / (1 - p)`.
fn drop_path(x: Hidden, p: f64) -> Hidden {
    if p <= 0.0 {
        return x;
    }
    map_hidden!(x, x => drop_examples(x, p))
}

fn drop_examples<const D: usize>(x: Tensor<D>, p: f64) -> Tensor<D> {
    if !x.device().is_autodiff() {
        return x;
    }
    let mut shape = [1; D];
    shape[0] = x.dims()[0];
    let keep: Tensor<D> = Tensor::random(shape, Distribution::Bernoulli(1.0 - p), &x.device());
    let keep = cast_like(keep.div_scalar(1.0 - p), &x);
    x * keep
}
