//! Sum of the gradients of all ranks, exchanged as one flat list of numbers.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use cupola_nn::Network;

use super::{DeviceGroup, GroupError};

/// Loss and gradients of a batch, or of a rank's part of it.
pub(crate) struct BatchGradients {
    /// Weighted mean loss of the batch.
    pub loss: f64,
    /// `None` if the loss is not finite.
    pub grads: Option<GradientsParams>,
}

/// Sum of loss and gradients over the ranks. A rank without gradients counts as zero; `device` is the device
/// of the gradients.
///
/// # Errors
/// An error of the device, or another rank that has stopped.
pub(super) fn summed(
    group: &dyn DeviceGroup,
    network: &Network,
    own: &BatchGradients,
    device: &Device,
) -> Result<BatchGradients, GroupError> {
    let mut flat = Flatten { grads: own.grads.as_ref(), device, parts: Vec::new() };
    network.visit(&mut flat);
    let mut values = match flat.parts.len() {
        0 => Vec::new(),
        _ => Tensor::cat(flat.parts, 0)
            .try_into_vec_as::<f32>()
            .map_err(|error| GroupError(error.to_string()))?,
    };
    #[allow(clippy::cast_possible_truncation)]
    values.push(own.loss as f32);
    group.sum(&mut values)?;
    let loss = f64::from(values.pop().unwrap_or(f32::NAN));
    let length = values.len();
    let values = Tensor::from_data(TensorData::new(values, [length]), device);
    let mut unflat = Unflatten { values, at: 0, grads: GradientsParams::new() };
    network.visit(&mut unflat);
    Ok(BatchGradients { loss, grads: loss.is_finite().then_some(unflat.grads) })
}

struct Flatten<'a> {
    grads: Option<&'a GradientsParams>,
    device: &'a Device,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for Flatten<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let length = param.val().shape().num_elements();
        let own = self.grads.and_then(|grads| grads.get::<D>(param.id));
        self.parts.push(match own {
            Some(grad) => grad.reshape([length]),
            None => Tensor::zeros([length], self.device),
        });
    }
}

struct Unflatten {
    values: Tensor<1>,
    at: usize,
    grads: GradientsParams,
}

impl ModuleVisitor for Unflatten {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let shape = param.val().shape();
        let length = shape.num_elements();
        let grad: Tensor<D> = self.values.clone().narrow(0, self.at, length).reshape(shape);
        self.grads.register(param.id, grad);
        self.at += length;
    }
}
