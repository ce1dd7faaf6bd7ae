//! One step: gradients of a batch, accumulated over micro-batches, and the update.

use std::ops::Range;
use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::Tensor;
use cupola_nn::{InputBatch, Network, catch_panic};
use cupola_prep::{ExamplesWithTargets, SplitPart, Targets, draw};
use cupola_spec::TargetList;

use crate::error::Error;
use crate::event::{Event, Stop};
use crate::fit::Trainer;
use crate::group::{GroupError, part_of, summed};
use crate::mixup::{Mixup, partners};
use crate::objective::{TargetObjective, loss_targets};
use crate::optimizer::{clip_factor, global_norm, scaled};
use crate::schedule::learning_rate;

/// Loss and gradients of a batch.
struct Gradients {
    /// Weighted mean loss of the batch.
    loss: f64,
    /// `None` if the loss is not finite.
    grads: Option<GradientsParams>,
}

impl Trainer<'_> {
    /// Updates the weights once from the training examples at the indices `batch`.
    pub(crate) fn step(
        &mut self,
        batch: &[usize],
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<Event, Error> {
        let started = Instant::now();
        let step = self.progress.step + 1;
        let fail = |why: String| Error::Device { step, why };
        let rate = self.rate();
        let found = self.gradients(batch, observer)?;
        let found = self.sum_over_ranks(found)?;
        let Some(grads) = found.grads else { return Err(self.diverged("loss", found.loss, step)?) };
        let norm = catch_panic(|| self.update(grads, rate)).map_err(String::from).flatten().map_err(fail)?;
        let overflowed = norm.is_some_and(|norm| !norm.is_finite());
        let bearable = match &mut self.progress.scale {
            Some(scale) => scale.after(overflowed),
            None => !overflowed,
        };
        if !bearable {
            return Err(self.diverged("the gradients' norm", norm.unwrap_or(f64::NAN), step)?);
        }
        if !overflowed {
            self.update_average();
        }
        let seconds = self.first_seconds(started.elapsed().as_secs_f64())?;
        self.progress.step = step;
        self.progress.batch += 1;
        #[allow(clippy::cast_precision_loss)]
        let examples = batch.len() as f64;
        self.progress.loss_sum += found.loss * examples;
        self.progress.seen += batch.len() as u64;
        self.progress.seconds += seconds;
        Ok(Event::Step {
            step,
            epoch: self.progress.epoch + 1,
            loss: found.loss,
            learning_rate: rate,
            grad_norm: norm.filter(|norm| norm.is_finite()),
            examples: batch.len() as u64,
            seconds,
        })
    }

    /// Updates the weights once at a given learning rate. Returns the loss, or `None` if the loss or the
    /// gradients are not finite.
    pub(crate) fn probe(&mut self, batch: &[usize], rate: f64) -> Result<Option<f64>, Error> {
        let step = self.progress.step + 1;
        let found = self.gradients(batch, &mut |_| Stop::No)?;
        let found = self.sum_over_ranks(found)?;
        let Some(grads) = found.grads else { return Ok(None) };
        let norm = catch_panic(|| self.update(grads, rate))
            .map_err(String::from)
            .flatten()
            .map_err(|why| Error::Device { step, why })?;
        self.progress.step = step;
        Ok(norm.is_none_or(f64::is_finite).then_some(found.loss))
    }

    /// Loss and gradients of the whole batch, summed over the ranks.
    fn sum_over_ranks(&self, found: Gradients) -> Result<Gradients, Error> {
        if self.group.size() == 1 {
            return Ok(found);
        }
        let sum = || {
            let network = self.network()?;
            Ok::<_, Error>(summed(self.group, network, found.loss, found.grads.as_ref(), &self.job.device)?)
        };
        let (loss, grads) = catch_panic(sum).map_err(|panic| GroupError(panic.into()))??;
        Ok(Gradients { loss, grads: loss.is_finite().then_some(grads) })
    }

    /// Duration of the step on rank 0, so that all ranks reach the time budget in the same step.
    fn first_seconds(&self, seconds: f64) -> Result<f64, Error> {
        if self.group.size() == 1 {
            return Ok(seconds);
        }
        #[allow(clippy::cast_possible_truncation)]
        let mut first = [if self.leads() { seconds as f32 } else { 0.0 }];
        self.group.sum(&mut first)?;
        Ok(f64::from(first[0]))
    }

    fn rate(&self) -> f64 {
        let train = &self.job.run.train;
        let (peak, reduced) = (train.optimizer.learning_rate, self.progress.reductions);
        learning_rate(&train.schedule, peak, self.progress.step, self.clock, reduced)
    }

    /// Gradients of this rank's part of the batch. Halves the micro-batch while the device runs out of
    /// memory.
    fn gradients(
        &mut self,
        batch: &[usize],
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<Gradients, Error> {
        let step = self.progress.step + 1;
        let own = part_of(batch.len(), self.group.rank(), self.group.size());
        let examples = self.job.prepared.part(SplitPart::Train).gather(batch)?;
        loop {
            let size = self.micro_batch.min(own.len()).max(1);
            let found = catch_panic(|| self.accumulate(batch, &examples, own.clone(), size));
            match found.map_err(String::from).flatten() {
                Ok(found) => return Ok(found),
                Err(why) if size > 1 && is_out_of_memory(&why) => {
                    self.micro_batch = size.div_ceil(2);
                    let micro_batch = self.micro_batch as u64;
                    observer(&Event::SmallerParts { step, micro_batch, why });
                }
                Err(why) => return Err(Error::Device { step, why }),
            }
        }
    }

    /// Contribution of the examples at `own` to the gradients of the batch's mean loss, in micro-batches of
    /// `size` examples. A micro-batch counts by the weight of its examples, so the sum is that of the whole
    /// batch for every division.
    fn accumulate(
        &self,
        batch: &[usize],
        all: &ExamplesWithTargets,
        own: Range<usize>,
        size: usize,
    ) -> Result<Gradients, String> {
        let (run, progress) = (self.job.run, &self.progress);
        let seed = draw(run.seed, "dropout", progress.epoch, progress.step);
        self.device.seed(seed.wrapping_add(self.group.rank() as u64));
        let scale = progress.scale.map_or(1.0, |scale| scale.factor);
        let network = self.network.as_ref().ok_or("an earlier step failed")?;
        let members = self.job.architecture.members();
        let mixup = Mixup::of(run.train.mixup, run.seed, progress.step);
        #[allow(clippy::cast_precision_loss)]
        let total = |(objective, targets)| weight(objective, targets, batch.len()) * members as f64;
        let totals: Vec<f64> = self.objectives.iter().zip(all.targets.iter()).map(total).collect();
        let mut sum = GradientsAccumulator::new();
        let mut value = 0.0;
        let places: Vec<usize> = own.clone().collect();
        for places in places.chunks(size) {
            if let Some(fault) = self.job.fault {
                fault(places.len());
            }
            let mut part = self.augmented(all, batch, places);
            let mut other = None;
            if let Some(mixup) = mixup {
                let partner = self.augmented(all, batch, &partners(batch.len(), places));
                mixup.blend(&mut part.examples.dense, &partner.examples.dense);
                other = Some((mixup.share, partner));
            }
            let ExamplesWithTargets { examples, targets } = part;
            let examples = if network.trims_padding() { examples.trim_padding() } else { examples };
            let input = InputBatch::new(examples.rows, examples.dense, examples.indices, &self.device);
            let logits = network.forward_members(&input);
            let against = |targets| self.loss(&logits, &input, targets, &totals, members);
            let loss = match other {
                None => against(targets),
                Some((share, other)) => {
                    against(targets).mul_scalar(share) + against(other.targets).mul_scalar(1.0 - share)
                }
            };
            value += f64::from(loss.clone().try_into_scalar::<f32>().map_err(|e| e.to_string())?);
            if !value.is_finite() {
                return Ok(Gradients { loss: value, grads: None });
            }
            // Scaling by a power of two is exact.
            let grads = GradientsParams::from_grads(loss.mul_scalar(scale).backward(), network);
            if places.len() == own.len() {
                return Ok(Gradients { loss: value, grads: Some(grads) });
            }
            sum.accumulate(network, grads);
        }
        Ok(Gradients { loss: value, grads: Some(sum.grads()) })
    }

    /// The examples at `places` of a batch, with the image augmentation of this epoch.
    fn augmented(&self, all: &ExamplesWithTargets, batch: &[usize], places: &[usize]) -> ExamplesWithTargets {
        let mut part = all.gather(places);
        let rows: Vec<usize> = places.iter().map(|&place| batch[place]).collect();
        self.augmenter.apply(&mut part.examples, &rows, self.job.run.seed, self.progress.epoch);
        part
    }

    /// Sum of the weighted losses of all targets. The loss of a target is its sum over the examples, divided
    /// by its total.
    fn loss(
        &self,
        logits: &Tensor<2>,
        input: &InputBatch,
        targets: TargetList<Targets>,
        totals: &[f64],
        members: usize,
    ) -> Tensor<1> {
        let each = self.objectives.iter().zip(targets).zip(totals).map(|((objective, targets), total)| {
            let own = if self.objectives.len() == 1 {
                logits.clone()
            } else {
                logits.clone().narrow(1, objective.at, objective.width)
            };
            let expected =
                loss_targets(objective.criterion.loss, targets, input, &self.device).repeat(members);
            objective.criterion.sum(own, expected).mul_scalar(objective.weight / total)
        });
        // There is at least one target.
        each.reduce(|a, b| a + b).unwrap_or_else(|| logits.clone().sum())
    }

    /// Removes the loss scale from the gradients, clips them and updates the weights. If their norm is not
    /// finite, the weights do not change. Returns the norm.
    fn update(&mut self, mut grads: GradientsParams, rate: f64) -> Result<Option<f64>, String> {
        let limit = self.job.run.train.clip_norm;
        let scale = self.progress.scale.map(|scale| scale.factor);
        let network = self.network.take().ok_or("an earlier step failed")?;
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

    /// Updates the moving average of the weights. The decay is lower in the first steps, when the initial
    /// weights dominate: `min(decay, (1 + t) / (10 + t))`, as in TensorFlow.
    #[allow(clippy::cast_precision_loss)]
    fn update_average(&mut self) {
        let (Some(ema), Some(network)) = (self.ema.take(), self.network.as_ref()) else { return };
        let t = self.progress.step as f64;
        let decay = self.job.run.train.ema.min((1.0 + t) / (10.0 + t));
        let live: Network = network.valid();
        self.ema = Some(ema.ema_update(&live, decay));
    }
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

/// `true` if an error message of a device reports a lack of memory.
fn is_out_of_memory(why: &str) -> bool {
    let why = why.to_lowercase();
    ["out of memory", "outofmemory", "out_of_device_memory", "out_of_host_memory", "not enough memory"]
        .iter()
        .any(|words| why.contains(words))
}
