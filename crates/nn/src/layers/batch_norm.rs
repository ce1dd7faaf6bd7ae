//! Batch normalisation (Ioffe and Szegedy 2015) with `PyTorch`'s running statistics.

use burn::module::{Module, Param, RunningState};
use burn::tensor::Tensor;
use burn::tensor::module::batch_norm;

use crate::error::Error;
use crate::fused;
use crate::weights::ModuleBuilder;

const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// `torch.nn.BatchNorm1d` or `BatchNorm2d`, over axis 1.
///
/// Burn's own module keeps the biased variance, unlike `PyTorch`, and holds the last update back until the next step,
/// which a checkpoint would lose.
#[derive(Module, Debug)]
pub struct BatchNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
}

impl BatchNorm {
    pub(super) fn build(module: &mut ModuleBuilder<'_, '_>) -> Result<Self, Error> {
        let (weight, bias) = (module.param("weight")?, module.param("bias")?);
        let (mean_id, mean) = module.buffer("running_mean")?;
        let (var_id, var) = module.buffer("running_var")?;
        Ok(Self {
            weight,
            bias,
            running_mean: RunningState::with_id(mean_id, mean),
            running_var: RunningState::with_id(var_id, var),
        })
    }

    /// `[batch, features, ...]` to the same shape. Weights on an autodiff device are trained: the batch's statistics
    /// normalise, and update the running ones. Otherwise the running ones normalise, also where a gradient with respect
    /// to the input is taken.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if !weight.device().is_autodiff() {
            let (mean, var) = (self.running_mean.value(), self.running_var.value());
            return batch_norm(input, weight, bias, mean, var, EPSILON);
        }
        let dims = input.dims();
        let count: usize = dims.iter().product::<usize>() / dims[1];
        let out = fused::batch_norm(input, weight, bias, EPSILON);
        // `PyTorch` keeps the unbiased variance.
        #[allow(clippy::cast_precision_loss)]
        let unbiased = count as f64 / count.saturating_sub(1).max(1) as f64;
        update(&self.running_mean, out.mean, 1.0);
        update(&self.running_var, out.variance, unbiased);
        out.output
    }
}

fn update(state: &RunningState<Tensor<1>>, batch: Tensor<1>, scale: f64) {
    let old = state.value().mul_scalar(1.0 - MOMENTUM);
    state.update((old + batch.detach().mul_scalar(MOMENTUM * scale)).detach());
    // Applies the update now: a checkpoint after this step must contain it.
    let _ = state.value_sync();
}
