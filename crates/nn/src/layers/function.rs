//! Layers without weights.

use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::Tensor;
use cupola_spec::{Activation, Take};

use super::hidden::{Hidden, map_hidden};
use super::series::decompose;
use super::tokens::take;
use crate::fused::{self, activate};
use crate::precision::in_f32;

/// Smallest divisor of a normalised vector, as in `torch.nn.functional.normalize`.
const MIN_LENGTH: f64 = 1e-12;

/// A function as a layer.
#[derive(Module, Debug)]
pub struct FunctionLayer {
    #[module(skip)]
    function: LayerFunction,
}

/// Functions that have a layer.
#[derive(Debug, Clone)]
pub enum LayerFunction {
    /// An element-wise function.
    Activation(Activation),
    /// All axes but the batch in one.
    Flatten,
    /// The mean of each channel.
    GlobalAvgPool,
    /// The vector repeated for each member of an ensemble.
    Ensemble(usize),
    /// The first half times the activation of the second (Dauphin et al. 2017).
    Glu(Activation),
    /// Vectors of a sequence, side by side.
    Take(Vec<Take>),
    /// Time and width swapped.
    Transpose,
    /// Trend and remainder of a series.
    Decompose(usize),
    /// The vector scaled to length 1.
    Normalize,
}

/// `torch.nn.Dropout`
#[derive(Module, Debug)]
pub struct DropoutLayer {
    layer: Dropout,
    /// Probability as configured.
    #[module(skip)]
    configured: f64,
}

impl DropoutLayer {
    pub(super) fn new(p: f64) -> Self {
        Self { layer: DropoutConfig::new(p).init(), configured: p }
    }

    /// Sets the probability to a share of the configured one.
    pub(super) fn set_share(&mut self, share: f64) {
        self.layer.prob = self.configured * share;
    }

    pub(super) fn forward<const D: usize>(&self, x: Tensor<D>) -> Tensor<D> {
        fused::dropout(&self.layer, x)
    }
}

impl FunctionLayer {
    pub(super) fn new(function: LayerFunction) -> Self {
        Self { function }
    }

    /// The element-wise function that the layer applies; `None` for other layers.
    pub(super) fn activation(&self) -> Option<Activation> {
        match self.function {
            LayerFunction::Activation(function) => Some(function),
            _ => None,
        }
    }

    pub(super) fn forward(&self, x: Hidden) -> Hidden {
        match (&self.function, x) {
            (LayerFunction::Activation(function), x) => map_hidden!(x, x => activate(*function, x)),
            (LayerFunction::Flatten, Hidden::Image(x)) => Hidden::Flat(x.flatten(1, 3)),
            (LayerFunction::Flatten, Hidden::Sequence(x, _)) => Hidden::Flat(x.flatten(1, 2)),
            (LayerFunction::GlobalAvgPool, Hidden::Image(x)) => Hidden::Flat(global_avg_pool(x)),
            (LayerFunction::Ensemble(members), Hidden::Flat(x)) => {
                let x: Tensor<3> = x.unsqueeze_dim(1);
                Hidden::Sequence(x.repeat_dim(1, *members), None)
            }
            (LayerFunction::Glu(function), Hidden::Flat(x)) => Hidden::Flat(glu(*function, x)),
            (LayerFunction::Glu(function), Hidden::Sequence(x, mask)) => {
                Hidden::Sequence(glu(*function, x), mask)
            }
            (LayerFunction::Take(at), Hidden::Sequence(x, mask)) => {
                let mut each: Vec<Tensor<2>> =
                    at.iter().map(|at| take(*at, x.clone(), mask.clone())).collect();
                Hidden::Flat(if each.len() == 1 { each.remove(0) } else { Tensor::cat(each, 1) })
            }
            (LayerFunction::Transpose, Hidden::Sequence(x, _)) => Hidden::Sequence(x.swap_dims(1, 2), None),
            (LayerFunction::Decompose(kernel), Hidden::Sequence(x, _)) => {
                Hidden::Sequence(decompose(x, *kernel), None)
            }
            (LayerFunction::Normalize, Hidden::Flat(x)) => Hidden::Flat(in_f32(x, normalize)),
            // A flat vector is flattened already.
            (_, x) => x,
        }
    }
}

/// Gated linear unit over the last axis.
fn glu<const D: usize>(function: Activation, x: Tensor<D>) -> Tensor<D> {
    let half = x.dims()[D - 1] / 2;
    let gate = activate(function, x.clone().narrow(D - 1, half, half));
    x.narrow(D - 1, 0, half) * gate
}

fn global_avg_pool(x: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = x.dims();
    let pixels: Tensor<3> = x.reshape([batch, channels, height * width]);
    in_f32(pixels, |x| x.mean_dim(2).reshape([batch, channels]))
}

fn normalize(x: Tensor<2>) -> Tensor<2> {
    x.clone() / x.square().sum_dim(1).sqrt().clamp_min(MIN_LENGTH)
}
