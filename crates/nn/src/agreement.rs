//! Whether a device computes a network's loss and gradients as the CPU does.

use burn::tensor::Device;
use cupola_spec::Layer;

use crate::architecture::Architecture;
use crate::device::quietly;
use crate::error::Error;
use crate::input::Input;
use crate::loss::{Loss, Truth};
use crate::network::Network;
use crate::state_dict::StateDict;
use crate::weights::Drawn;

/// Largest difference that is allowed, relative to the largest value of the array: other orders of
/// summation and TF32 stay well below it, wrong kernels are far above.
const ALLOWED: f32 = 2e-2;

/// How far a device is from the CPU, relative to the largest value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Agreement {
    /// Of the loss.
    pub loss: f32,
    /// Of the gradient that differs most.
    pub worst: f32,
}

/// Compares the loss and all gradients of a freshly drawn network on one made-up batch, dropout left
/// out.
///
/// # Errors
/// [`Error::Disagrees`] beyond the tolerance, [`Error::Device`] when the device fails.
pub fn agreement(
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
    let (value, grads) = once(&plain, loss, device, name, batch)?;
    let (expected_loss, expected) = once(&plain, loss, &Device::flex(), "flex", batch)?;
    let mut found = Agreement { loss: off(&[value], &[expected_loss]), worst: 0.0 };
    let judge = |what: &str, off: f32| {
        // NaN is no agreement either.
        if off <= ALLOWED {
            return Ok(());
        }
        Err(Error::Disagrees { device: name.to_owned(), what: what.to_owned(), off, allowed: ALLOWED })
    };
    judge("the loss", found.loss)?;
    for weight in expected.names() {
        let (Some(a), Some(b)) = (grads.get(weight), expected.get(weight)) else {
            return Err(Error::Missing { name: weight.to_owned() });
        };
        let off = off(&a.data, &b.data);
        judge(&format!("the gradient of {weight}"), off)?;
        found.worst = found.worst.max(off);
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

/// Loss and gradients of one batch.
fn once(
    architecture: &Architecture,
    loss: Loss,
    device: &Device,
    name: &str,
    batch: usize,
) -> Result<(f32, StateDict), Error> {
    let fail = |why: String| Error::Device { device: name.to_owned(), why };
    let device = device.clone().autodiff();
    let run = || -> Result<(f32, StateDict), Error> {
        let network = Network::build(architecture, &mut Drawn { seed: 0 }, &device)?;
        let dense = wave(batch * architecture.dense_width(), 0.7);
        let sizes = architecture.index_sizes();
        let indices = (0..batch * sizes.len())
            .map(|i| i32::try_from(i % sizes[i % sizes.len()]).unwrap_or_default())
            .collect();
        let logits = network.each(&Input::new(batch, dense, indices, &device));
        let examples = batch * architecture.members() * architecture.steps();
        let loss = loss.mean(logits, truth(loss, examples, architecture.output, &device));
        let value = loss.clone().try_into_scalar::<f32>().map_err(|e| fail(e.to_string()))?;
        Ok((value, network.gradients(&loss.backward())?))
    };
    quietly(run).map_err(fail)?
}

/// Every class in turn, or a wave.
fn truth(loss: Loss, batch: usize, output: usize, device: &Device) -> Truth {
    let in_turn = |n: usize| (0..batch).map(move |i| i % n);
    match loss {
        Loss::CrossEntropy | Loss::Focal { .. } => {
            Truth::classes(in_turn(output).map(|c| i32::try_from(c).unwrap_or_default()).collect(), device)
        }
        Loss::BinaryCrossEntropy | Loss::BinaryFocal { .. } => {
            Truth::numbers(in_turn(2).map(|c| c as f32).collect(), device)
        }
        _ if output > 1 => Truth::vectors(wave(batch * output, 1.3), output, device),
        Loss::MeanSquared | Loss::Huber { .. } | Loss::Quantile { .. } => {
            Truth::numbers(wave(batch, 1.3), device)
        }
    }
}

/// Values that are neither zero nor equal nor large.
#[allow(clippy::cast_precision_loss)]
fn wave(n: usize, step: f32) -> Vec<f32> {
    (0..n).map(|i| (i as f32 * step).sin()).collect()
}

/// Largest difference over the largest value of `b`.
fn off(a: &[f32], b: &[f32]) -> f32 {
    let scale = b.iter().map(|x| x.abs()).fold(1e-6, f32::max);
    let worst = a
        .iter()
        .zip(b)
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, |worst: f32, x| if x > worst || x.is_nan() { x } else { worst });
    worst / scale
}
