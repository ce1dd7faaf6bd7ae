//! Forward and backward pass of a batch in micro-batches.

use std::ops::Range;

use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use cupola_nn::{InputBatch, Network};
use cupola_prep::{ExamplesWithTargets, Targets, draw};
use cupola_spec::TargetList;

use super::Stepper;
use super::mixup::{Mixup, partners};
use crate::checkpoint::RunPosition;
use crate::error::DeviceFailure;
use crate::group::BatchGradients;
use crate::objective::{TargetObjective, loss_targets};

/// Forward and backward pass of one batch.
pub(super) struct BatchPass<'a> {
    stepper: &'a Stepper<'a>,
    /// Indices of the batch's training examples.
    batch: &'a [usize],
    examples: &'a ExamplesWithTargets,
    at: RunPosition,
    mixup: Option<Mixup>,
    /// Number of members of an ensemble; 1 for other networks.
    members: usize,
    /// Divisor of the summed losses of each target.
    totals: Vec<f64>,
}

/// Input and targets of a micro-batch.
struct MicroBatch {
    input: InputBatch,
    targets: TargetList<Targets>,
    /// With mixup, weight of the targets, and targets of the partners, which have the rest.
    mixed: Option<(f64, TargetList<Targets>)>,
}

impl<'a> BatchPass<'a> {
    pub fn new(
        stepper: &'a Stepper<'_>,
        batch: &'a [usize],
        examples: &'a ExamplesWithTargets,
        at: &RunPosition,
    ) -> Self {
        let run = stepper.job.run;
        let members = stepper.job.architecture.members();
        #[allow(clippy::cast_precision_loss)]
        let total = |(objective, targets)| weight(objective, targets, batch.len()) * members as f64;
        let totals = stepper.objectives.iter().zip(examples.targets.iter()).map(total).collect();
        let mixup = Mixup::of(run.train.mixup, run.seed, at.step);
        Self { stepper, batch, examples, at: *at, mixup, members, totals }
    }

    /// Contribution of the examples at `own` to the gradients of the batch's mean loss, in micro-batches of
    /// `size` examples. A micro-batch counts by the weight of its examples, so the sum is that of the whole
    /// batch for every division.
    pub fn run(&self, own: Range<usize>, size: usize) -> Result<BatchGradients, DeviceFailure> {
        self.seed_dropout();
        let scale = self.stepper.scale.map_or(1.0, |scale| scale.factor);
        let network = self.stepper.network()?;
        let mut sum = GradientsAccumulator::new();
        let mut value = 0.0;
        let all = own.len();
        let places: Vec<usize> = own.collect();
        for places in micro_batches(&places, size, self.stepper.least) {
            if let Some(fault) = self.stepper.job.fault {
                fault(places.len());
            }
            let MicroBatch { input, targets, mixed } = self.micro_batch(network, places);
            let logits = network.forward_members(&input);
            let against = |targets| self.loss_against(&logits, &input, targets);
            let loss = match mixed {
                None => against(targets),
                Some((share, others)) => {
                    against(targets).mul_scalar(share) + against(others).mul_scalar(1.0 - share)
                }
            };
            value += f64::from(loss.clone().try_into_scalar::<f32>().map_err(DeviceFailure::new)?);
            if !value.is_finite() {
                return Ok(BatchGradients { loss: value, grads: None });
            }
            // Scaling by a power of two is exact.
            let grads = GradientsParams::from_grads(loss.mul_scalar(scale).backward(), network);
            if places.len() == all {
                return Ok(BatchGradients { loss: value, grads: Some(grads) });
            }
            sum.accumulate(network, grads);
        }
        Ok(BatchGradients { loss: value, grads: Some(sum.grads()) })
    }

    fn seed_dropout(&self) {
        let seed = draw(self.stepper.job.run.seed, "dropout", self.at.epoch, self.at.step);
        self.stepper.device.seed(seed.wrapping_add(self.stepper.group.rank() as u64));
    }

    /// The examples at `places` of the batch on the device.
    fn micro_batch(&self, network: &Network, places: &[usize]) -> MicroBatch {
        let mut part = self.augmented(places);
        let mut mixed = None;
        if let Some(mixup) = self.mixup {
            let partner = self.augmented(&partners(self.batch.len(), places));
            mixup.blend(&mut part.examples.dense, &partner.examples.dense);
            mixed = Some((mixup.share, partner.targets));
        }
        let ExamplesWithTargets { examples, targets } = part;
        let examples = if network.trims_padding() { examples.trim_padding() } else { examples };
        let input = InputBatch::new(examples.rows, examples.dense, examples.indices, &self.stepper.device);
        MicroBatch { input, targets, mixed }
    }

    /// The examples at `places` of the batch, with the image augmentation of this epoch.
    fn augmented(&self, places: &[usize]) -> ExamplesWithTargets {
        let mut part = self.examples.gather(places);
        let rows: Vec<usize> = places.iter().map(|&place| self.batch[place]).collect();
        self.stepper.augmenter.apply(&mut part.examples, &rows, self.stepper.job.run.seed, self.at.epoch);
        part
    }

    /// Sum of the weighted losses of all targets. The loss of a target is its sum over the examples, divided
    /// by its total.
    fn loss_against(
        &self,
        logits: &Tensor<2>,
        input: &InputBatch,
        targets: TargetList<Targets>,
    ) -> Tensor<1> {
        let objectives = &self.stepper.objectives;
        let each = objectives.iter().zip(targets).zip(&self.totals).map(|((objective, targets), total)| {
            let own = if objectives.len() == 1 {
                logits.clone()
            } else {
                logits.clone().narrow(1, objective.at, objective.width)
            };
            let expected = loss_targets(objective.criterion.loss, targets, input, &self.stepper.device)
                .repeat(self.members);
            objective.sum(own, expected).mul_scalar(objective.weight / total)
        });
        // There is at least one target.
        each.reduce(|a, b| a + b).unwrap_or_else(|| logits.clone().sum())
    }
}

/// Divides places into micro-batches of `size`. A last one with fewer than `least` joins the one before.
fn micro_batches(places: &[usize], size: usize, least: usize) -> Vec<&[usize]> {
    let mut parts: Vec<&[usize]> = places.chunks(size).collect();
    if parts.len() > 1 && parts.last().is_some_and(|last| last.len() < least) {
        parts.pop();
        parts.pop();
        parts.push(&places[parts.len() * size..]);
    }
    parts
}

/// Divisor of the summed losses of a batch: the number of examples, or the sum of their class weights.
#[allow(clippy::cast_precision_loss)]
fn weight(objective: &TargetObjective, targets: &Targets, rows: usize) -> f64 {
    let weights = &objective.criterion.class_weights;
    match targets {
        Targets::Class(class) if !weights.is_empty() => {
            let weight = |class: &i32| {
                let class = usize::try_from(*class).unwrap_or_default();
                weights.get(class).copied().map_or(1.0, f64::from)
            };
            class.iter().map(weight).sum()
        }
        Targets::Tokens { length, .. } => (rows * length) as f64,
        _ => rows as f64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_micro_batch_is_smaller_than_the_least_size() {
        for (count, size) in [(7, 3), (7, 2), (2, 2), (3, 2), (9, 4), (1, 2), (0, 2), (5, 9)] {
            let places: Vec<usize> = (0..count).collect();
            assert_eq!(micro_batches(&places, size, 1), places.chunks(size).collect::<Vec<_>>());
            let parts = micro_batches(&places, size, 2);
            assert_eq!(parts.concat(), places, "{count} {size}");
            assert!(count < 2 || parts.iter().all(|part| part.len() >= 2), "{parts:?}");
        }
    }
}
