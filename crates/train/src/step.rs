//! One optimiser step: gradients of a batch, accumulated over micro-batches, and the update.

mod batch_norm;
mod batch_pass;
mod clip;
mod loss_scale;
mod mixup;
mod moving_average;
mod optimizer;
mod schedule;

use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use cupola_nn::{Network, catch_panic};
use cupola_prep::{Augmenter, SplitPart};
use cupola_spec::{ShareSchedule, Train};

pub use self::batch_norm::check_batch_norm;
use self::batch_pass::BatchPass;
pub use self::clip::global_norm;
use self::clip::{clip_factor, scaled};
pub use self::loss_scale::LossScale;
pub(crate) use self::moving_average::MovingAverage;
pub use self::optimizer::{DecayShare, optimizer};
pub(crate) use self::schedule::RunRate;
pub use self::schedule::{Clock, learning_rate};
use crate::checkpoint::RunPosition;
use crate::error::{DeviceFailure, Error};
use crate::event::{Event, Stop};
use crate::group::{BatchGradients, GroupMember};
use crate::job::Job;
use crate::objective::TargetObjective;

/// Network and optimiser of a run, and all that one step needs.
pub(crate) struct Stepper<'a> {
    pub job: &'a Job<'a>,
    pub group: GroupMember<'a>,
    /// Device of the job with autodiff.
    pub device: Device,
    pub objectives: Vec<TargetObjective>,
    pub augmenter: Augmenter,
    /// Number of examples of a micro-batch.
    pub micro_batch: usize,
    /// Least number of examples of a forward pass: 2 with a batch norm that needs them.
    pub least: usize,
    /// `None` only while the optimiser updates it in place.
    pub network: Option<Network>,
    pub optimizer: ModuleOptimizer,
    /// Share of the configured weight decay that the optimiser applies.
    pub decay: DecayShare,
    /// Scale of the loss; `None` unless activations are `fp16`.
    pub scale: Option<LossScale>,
}

/// Result of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct StepOutcome {
    /// Weighted mean loss of the batch.
    pub loss: f64,
    /// Global gradient norm before clipping; `None` without clipping, and if it is not finite.
    pub grad_norm: Option<f64>,
    /// `false` if the gradients overflowed, which leaves the weights unchanged.
    pub applied: bool,
}

impl Stepper<'_> {
    /// The network with the weights after the last step.
    ///
    /// # Errors
    /// [`DeviceFailure`] if the optimiser failed and lost them.
    pub fn network(&self) -> Result<&Network, DeviceFailure> {
        self.network.as_ref().ok_or_else(DeviceFailure::lost_weights)
    }

    /// Sets the probability of dropout and the weight decay for `step`, counted from 0.
    pub fn set_shares(&mut self, rate: &RunRate<'_>, step: u64) {
        let train = &self.job.run.train;
        self.decay.set(rate.share_at(train.optimizer.decay_schedule, step));
        if let Some(network) = &mut self.network
            && train.dropout_schedule != ShareSchedule::Constant
        {
            network.set_dropout_share(rate.share_at(train.dropout_schedule, step));
        }
    }

    /// Size of a micro-batch that a lack of memory has made smaller than configured; `None` if it is not.
    pub fn reduced_micro_batch(&self) -> Option<usize> {
        (self.micro_batch < configured_micro_batch(&self.job.run.train)).then_some(self.micro_batch)
    }

    /// Updates the weights once from the training examples at the indices `batch`.
    ///
    /// # Errors
    /// [`Error::Diverged`], and errors of the device and the group.
    pub fn step(
        &mut self,
        batch: &[usize],
        at: &RunPosition,
        rate: f64,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<StepOutcome, Error> {
        let step = at.step + 1;
        let found = self.gradients(batch, at, observer)?;
        let Some(grads) = found.grads else {
            return Err(Error::diverged(self.job.folder, "loss", found.loss, step, at.epoch)?);
        };
        let norm = self.update(grads, rate).map_err(|failure| failure.at(step))?;
        let overflowed = norm.is_some_and(|norm| !norm.is_finite());
        let bearable = match &mut self.scale {
            Some(scale) => scale.after(overflowed),
            None => !overflowed,
        };
        if !bearable {
            let norm = norm.unwrap_or(f64::NAN);
            return Err(Error::diverged(self.job.folder, "the gradients' norm", norm, step, at.epoch)?);
        }
        let grad_norm = norm.filter(|norm| norm.is_finite());
        Ok(StepOutcome { loss: found.loss, grad_norm, applied: !overflowed })
    }

    /// Updates the weights once at a given learning rate. Returns the loss, or `None` if the loss or the
    /// gradients are not finite.
    ///
    /// # Errors
    /// Errors of the device and the group.
    pub fn probe(&mut self, batch: &[usize], at: &RunPosition, rate: f64) -> Result<Option<f64>, Error> {
        let found = self.gradients(batch, at, &mut |_| Stop::No)?;
        let Some(grads) = found.grads else { return Ok(None) };
        let norm = self.update(grads, rate).map_err(|failure| failure.at(at.step + 1))?;
        Ok(norm.is_none_or(f64::is_finite).then_some(found.loss))
    }

    /// Loss and gradients of the whole batch: this rank's part of it, summed over the ranks.
    fn gradients(
        &mut self,
        batch: &[usize],
        at: &RunPosition,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<BatchGradients, Error> {
        let own = self.own_gradients(batch, at, observer)?;
        if self.group.is_alone() {
            return Ok(own);
        }
        let network = self.network().map_err(|failure| failure.at(at.step))?;
        Ok(self.group.sum_gradients(network, &own, &self.job.device)?)
    }

    /// Gradients of this rank's part of the batch. Halves the micro-batch while the device runs out of
    /// memory.
    fn own_gradients(
        &mut self,
        batch: &[usize],
        at: &RunPosition,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<BatchGradients, Error> {
        let step = at.step + 1;
        let own = self.group.part_of(batch.len(), self.least);
        let examples = self.job.prepared.part(SplitPart::Train).gather(batch)?;
        loop {
            let size = self.micro_batch.min(own.len()).max(self.least);
            let found = catch_panic(|| BatchPass::new(self, batch, &examples, at).run(own.clone(), size));
            match found.map_err(DeviceFailure::from).flatten() {
                Ok(found) => return Ok(found),
                Err(failure) if size > self.least && failure.is_out_of_memory() => {
                    self.micro_batch = size.div_ceil(2).max(self.least);
                    let (micro_batch, why) = (self.micro_batch as u64, failure.to_string());
                    observer(&Event::SmallerParts { step, micro_batch, why });
                }
                Err(failure) => return Err(failure.at(step)),
            }
        }
    }

    /// Removes the loss scale from the gradients, clips them and updates the weights. If their norm is not
    /// finite, the weights do not change. Returns the norm.
    fn update(&mut self, grads: GradientsParams, rate: f64) -> Result<Option<f64>, DeviceFailure> {
        catch_panic(|| self.clip_and_apply(grads, rate)).map_err(DeviceFailure::from).flatten()
    }

    fn clip_and_apply(
        &mut self,
        mut grads: GradientsParams,
        rate: f64,
    ) -> Result<Option<f64>, DeviceFailure> {
        let limit = self.job.run.train.clip_norm;
        let scale = self.scale.map(|scale| scale.factor);
        let network = self.network.take().ok_or_else(DeviceFailure::lost_weights)?;
        let mut norm = None;
        if limit > 0.0 || scale.is_some() {
            let scale = scale.unwrap_or(1.0);
            let found = global_norm(&network, &grads)? / scale;
            norm = Some(found);
            if !found.is_finite() {
                self.network = Some(network);
                return Ok(norm);
            }
            grads = scaled(&network, grads, clip_factor(found, limit) / scale);
        }
        self.network = Some(self.optimizer.step(rate, network, grads));
        Ok(norm)
    }
}

/// Size of a micro-batch in a config, as far as batches are large enough.
pub(crate) fn configured_micro_batch(train: &Train) -> usize {
    train.examples_at_once().min(train.batch_size)
}

#[cfg(test)]
mod tests {
    use cupola_nn::StateDict;

    use super::*;
    use crate::SingleDevice;
    use crate::tests::{data, job, run, run_dir, turn};
    use crate::trainer::Trainer;

    /// Calls `test` with the stepper of a fresh run on a device that holds `capacity` examples.
    fn with_stepper(capacity: usize, test: impl FnOnce(&mut Stepper<'_>)) {
        let (run, run_dir) = (run(""), run_dir());
        let prepared = data(&run);
        let architecture = crate::architecture(&run, &prepared.plan).unwrap();
        let fault = |examples: usize| assert!(examples <= capacity, "out of memory");
        let job = Job { fault: Some(&fault), ..job(&run, &prepared, &architecture, &run_dir) };
        let _turn = turn();
        test(&mut Trainer::new(&job, &SingleDevice).unwrap().stepper);
    }

    fn batch() -> Vec<usize> {
        (0..16).collect()
    }

    fn weights(stepper: &Stepper<'_>) -> StateDict {
        stepper.network().unwrap().state_dict().unwrap()
    }

    #[test]
    fn a_step_lowers_the_loss_of_its_batch() {
        with_stepper(16, |stepper| {
            let at = RunPosition::start();
            let mut losses = Vec::new();
            for _ in 0..20 {
                let found = stepper.step(&batch(), &at, 0.01, &mut |_| Stop::No).unwrap();
                assert!(found.applied);
                losses.push(found.loss);
            }
            assert!(losses[19] < losses[0], "{losses:?}");
        });
    }

    #[test]
    fn the_micro_batch_is_halved_until_it_fits_and_stays_small() {
        with_stepper(5, |stepper| {
            let mut sizes = Vec::new();
            for _ in 0..2 {
                let observer = &mut |event: &Event| {
                    if let Event::SmallerParts { step: 1, micro_batch, .. } = event {
                        sizes.push(*micro_batch);
                    }
                    Stop::No
                };
                stepper.step(&batch(), &RunPosition::start(), 0.01, observer).unwrap();
            }
            assert_eq!((sizes, stepper.micro_batch), (vec![8, 4], 4));
        });
    }

    #[test]
    fn gradients_that_overflow_halve_the_loss_scale_and_leave_the_weights() {
        with_stepper(16, |stepper| {
            stepper.scale = Some(LossScale { factor: 1e38, good: 7 });
            let before = weights(stepper);
            let found = stepper.step(&batch(), &RunPosition::start(), 0.01, &mut |_| Stop::No).unwrap();
            assert_eq!((found.applied, found.grad_norm), (false, None));
            assert_eq!(stepper.scale, Some(LossScale { factor: 5e37, good: 0 }));
            assert_eq!(weights(stepper), before);
        });
    }
}
