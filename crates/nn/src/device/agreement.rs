//! Check that a device computes a network's loss and gradients as the CPU does.

use burn::tensor::Device;
use cupola_spec::Layer;

use super::catch_panic;
use crate::architecture::Architecture;
use crate::error::Error;
use crate::input::InputBatch;
use crate::loss::{Loss, LossTargets};
use crate::network::Network;
use crate::weights::{RandomWeights, StateDict};

/// Largest allowed difference relative to the largest value of an array. Another order of summation and TF32 stay well
/// below it; wrong kernels are far above.
const TOLERANCE: f32 = 2e-2;

/// Differences between a device and the CPU, relative to the largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Difference of the loss.
    pub loss: f32,
    /// Largest difference of a gradient.
    pub worst_gradient: f32,
}

/// Compares the loss and all gradients of a randomly initialised network on one synthetic batch, without dropout.
///
/// # Errors
/// [`Error::Disagrees`] beyond the tolerance, [`Error::Device`] if the device fails.
pub fn check_agreement(
    architecture: &Architecture,
    loss: Loss,
    device: &Device,
    name: &str,
    batch: usize,
) -> Result<Agreement, Error> {
    let mut plain = architecture.clone();
    without_dropout(&mut plain.trunk);
    for source in &mut plain.sources {
        without_dropout(&mut source.encoder);
    }
    let (value, grads) = loss_and_gradients(&plain, loss, device, name, batch)?;
    let (expected_loss, expected) = loss_and_gradients(&plain, loss, &Device::flex(), "flex", batch)?;
    let mut found = Agreement { loss: difference(&[value], &[expected_loss]), worst_gradient: 0.0 };
    let check = |what: &str, off: f32| {
        // Also fails for NaN.
        if off <= TOLERANCE {
            return Ok(());
        }
        Err(Error::Disagrees { device: name.to_owned(), what: what.to_owned(), off, allowed: TOLERANCE })
    };
    check("the loss", found.loss)?;
    for weight in expected.names() {
        let (Some(a), Some(b)) = (grads.get(weight), expected.get(weight)) else {
            return Err(Error::Missing { name: weight.to_owned() });
        };
        let off = difference(&a.data, &b.data);
        check(&format!("the gradient of {weight}"), off)?;
        found.worst_gradient = found.worst_gradient.max(off);
    }
    Ok(found)
}

fn without_dropout(layers: &mut [Layer]) {
    for layer in layers {
        match layer {
            Layer::Dropout { p } => *p = 0.0,
            Layer::Attention { dropout, .. } => *dropout = 0.0,
            Layer::Residual { layers, shortcut, drop_path } => {
                *drop_path = 0.0;
                without_dropout(layers);
                without_dropout(shortcut);
            }
            _ => {}
        }
    }
}

fn loss_and_gradients(
    architecture: &Architecture,
    loss: Loss,
    device: &Device,
    name: &str,
    batch: usize,
) -> Result<(f32, StateDict), Error> {
    let fail = |why: String| Error::Device { device: name.to_owned(), why };
    let device = device.clone().autodiff();
    let run = || -> Result<(f32, StateDict), Error> {
        let network = Network::build(architecture, &mut RandomWeights { seed: 0 }, &device)?;
        let dense = wave(batch * architecture.dense_width(), 0.7);
        let sizes = architecture.index_sizes();
        let indices = (0..batch * sizes.len())
            .map(|i| i32::try_from(i % sizes[i % sizes.len()]).unwrap_or_default())
            .collect();
        let logits = network.forward_members(&InputBatch::new(batch, dense, indices, &device));
        let examples = batch * architecture.members() * architecture.steps();
        let loss = loss.mean(logits, loss_targets(loss, examples, architecture.output, &device));
        let value = loss.clone().try_into_scalar::<f32>().map_err(|e| fail(e.to_string()))?;
        Ok((value, network.gradients(&loss.backward())?))
    };
    catch_panic(run).map_err(|panic| fail(panic.into()))?
}

/// Targets that take each class in turn, or follow a wave.
fn loss_targets(loss: Loss, batch: usize, output: usize, device: &Device) -> LossTargets {
    let cycle = |n: usize| (0..batch).map(move |i| i % n);
    match loss {
        Loss::CrossEntropy | Loss::Focal { .. } => LossTargets::classes(
            cycle(output).map(|c| i32::try_from(c).unwrap_or_default()).collect(),
            device,
        ),
        Loss::BinaryCrossEntropy | Loss::BinaryFocal { .. } => {
            LossTargets::numbers(cycle(2).map(|c| c as f32).collect(), device)
        }
        _ if output > 1 => LossTargets::vectors(wave(batch * output, 1.3), output, device),
        Loss::MeanSquared | Loss::Huber { .. } | Loss::Quantile { .. } => {
            LossTargets::numbers(wave(batch, 1.3), device)
        }
    }
}

/// Distinct values of at most 1 in magnitude.
#[allow(clippy::cast_precision_loss)]
fn wave(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * step).sin()).collect()
}

/// Largest difference relative to the largest value of `b`; NaN if a value is.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    let scale = b.iter().map(|x| x.abs()).fold(1e-6, f32::max);
    let worst = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst: f32, x| if x > worst || x.is_nan() { x } else { worst });
    worst / scale
}
