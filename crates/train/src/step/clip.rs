//! Clipping by the global norm of the gradients, which Burn does not have.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;
use cupola_nn::{Network, square_sum};

use crate::error::DeviceFailure;

/// Global L2 norm of all gradients, as in `torch.nn.utils.clip_grad_norm_`.
///
/// # Errors
/// [`DeviceFailure`] if the norm cannot be read back.
pub fn global_norm(network: &Network, grads: &GradientsParams) -> Result<f64, DeviceFailure> {
    let mut squares = Squares { grads, sum: 0.0, parts: Vec::new() };
    network.visit(&mut squares);
    let mut sum = squares.sum;
    if !squares.parts.is_empty() {
        let parts = Tensor::cat(squares.parts, 0).sum();
        sum += f64::from(parts.try_into_scalar::<f32>().map_err(DeviceFailure::new)?);
    }
    Ok(sum.sqrt())
}

/// Factor that scales gradients of this global norm to at most `limit`; 1 if `limit` is 0.
pub(crate) fn clip_factor(norm: f64, limit: f64) -> f64 {
    // The 1e-6 is PyTorch's.
    if limit > 0.0 { (limit / (norm + 1e-6)).min(1.0) } else { 1.0 }
}

/// Multiplies all gradients by a factor.
#[allow(clippy::float_cmp, reason = "the factor is exactly 1 if nothing is clipped")]
pub(crate) fn scaled(network: &Network, mut grads: GradientsParams, factor: f64) -> GradientsParams {
    if factor != 1.0 {
        network.visit(&mut Scale { grads: &mut grads, factor });
    }
    grads
}

struct Squares<'a> {
    grads: &'a GradientsParams,
    /// Sum of the squares that a kernel has added up.
    sum: f64,
    /// Sums on the device of the other gradients.
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.get::<D>(param.id) {
            match square_sum(&grad) {
                Some(sum) => self.sum += sum,
                None => self.parts.push(grad.square().sum()),
            }
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

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "a factor of exactly 1")]
mod tests {
    use super::*;

    #[test]
    fn only_a_norm_above_the_limit_is_scaled() {
        assert_eq!(clip_factor(3.0, 0.0), 1.0);
        assert_eq!(clip_factor(0.5, 1.0), 1.0);
        assert!((clip_factor(4.0, 1.0) - 0.25).abs() < 1e-6);
    }
}
