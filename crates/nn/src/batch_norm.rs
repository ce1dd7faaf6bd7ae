//! Batch normalisation with `PyTorch`'s running statistics.

use burn::module::{Module, Param, RunningState};
use burn::tensor::Tensor;
use burn::tensor::module::{batch_norm, batch_norm_train};

use crate::builder::Builder;
use crate::error::Error;
use crate::weights::Start;

const MOMENTUM: f64 = 0.1;
const EPSILON: f64 = 1e-5;

/// Over axis 1, as `torch.nn.BatchNorm1d`/`2d` (Ioffe and Szegedy 2015).
///
/// Burn's own module keeps the biased variance and holds the last update back until the next step;
/// `PyTorch`'s definition and an exact checkpoint need neither.
#[derive(Module, Debug)]
pub struct BatchNorm {
    weight: Param<Tensor<1>>,
    bias: Param<Tensor<1>>,
    running_mean: RunningState<Tensor<1>>,
    running_var: RunningState<Tensor<1>>,
}

impl BatchNorm {
    pub(crate) fn build(builder: &mut Builder<'_>, name: &str, features: usize) -> Result<Self, Error> {
        let shape = [features];
        let weight = builder.param(&format!("{name}.weight"), shape, Start::Constant(1.0))?;
        let bias = builder.param(&format!("{name}.bias"), shape, Start::Constant(0.0))?;
        let (mean_id, mean) = builder.buffer(&format!("{name}.running_mean"), shape, Start::Constant(0.0))?;
        let (var_id, var) = builder.buffer(&format!("{name}.running_var"), shape, Start::Constant(1.0))?;
        Ok(Self {
            weight,
            bias,
            running_mean: RunningState::with_id(mean_id, mean),
            running_var: RunningState::with_id(var_id, var),
        })
    }

    /// `[batch, features, ...]` to the same shape. On an autodiff device with the batch's own
    /// statistics, which also move the running ones; otherwise with the running ones.
    pub fn forward<const D: usize>(&self, input: Tensor<D>) -> Tensor<D> {
        let (weight, bias) = (self.weight.val(), self.bias.val());
        if !input.device().is_autodiff() {
            let (mean, var) = (self.running_mean.value(), self.running_var.value());
            return batch_norm(input, weight, bias, mean, var, EPSILON);
        }
        let dims = input.dims();
        let count: usize = dims.iter().product::<usize>() / dims[1];
        let out = batch_norm_train(input, weight, bias, EPSILON);
        // The running variance is the unbiased one.
        #[allow(clippy::cast_precision_loss)]
        let unbiased = count as f64 / count.saturating_sub(1).max(1) as f64;
        follow(&self.running_mean, out.mean, 1.0);
        follow(&self.running_var, out.variance, unbiased);
        out.output
    }
}

fn follow(state: &RunningState<Tensor<1>>, batch: Tensor<1>, scale: f64) {
    let old = state.value().mul_scalar(1.0 - MOMENTUM);
    state.update((old + batch.detach().mul_scalar(MOMENTUM * scale)).detach());
    // Takes effect now: a checkpoint after this step must hold it.
    let _ = state.value_sync();
}
