//! One step: gradients of a batch, part by part, and the update.

use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use cupola_nn::{Input, Network, quietly};
use cupola_prep::{Labelled, Part, Targets, draw};

use crate::error::Error;
use crate::event::{Event, Stop};
use crate::fit::Loop;
use crate::mixup::{Mixup, partners};
use crate::objective::truth;
use crate::optimizer::{clip, global_norm};
use crate::schedule::learning_rate;

/// What a batch's gradients came to.
struct Gradients {
    /// Weighted mean over the batch.
    loss: f64,
    /// `None` where the loss is not finite.
    grads: Option<GradientsParams>,
}

impl Loop<'_> {
    /// One update from the training examples at `batch`.
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
        let Some(grads) = found.grads else { return Err(self.diverged("loss", found.loss, step)?) };
        let norm = quietly(|| self.update(grads, rate)).and_then(|done| done).map_err(fail)?;
        if let Some(norm) = norm.filter(|norm| !norm.is_finite()) {
            return Err(self.diverged("the gradients' norm", norm, step)?);
        }
        self.average();
        let seconds = started.elapsed().as_secs_f64();
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
            grad_norm: norm,
            examples: batch.len() as u64,
            seconds,
        })
    }

    /// One update at a given rate; its loss, or `None` where that or the gradients are not finite.
    pub(crate) fn probe(&mut self, batch: &[usize], rate: f64) -> Result<Option<f64>, Error> {
        let step = self.progress.step + 1;
        let found = self.gradients(batch, &mut |_| Stop::No)?;
        let Some(grads) = found.grads else { return Ok(None) };
        let norm = quietly(|| self.update(grads, rate))
            .and_then(|done| done)
            .map_err(|why| Error::Device { step, why })?;
        self.progress.step = step;
        Ok(norm.is_none_or(f64::is_finite).then_some(found.loss))
    }

    fn rate(&self) -> f64 {
        let train = &self.job.run.train;
        let (peak, reduced) = (train.optimizer.learning_rate, self.progress.reductions);
        learning_rate(&train.schedule, peak, self.progress.step, self.clock, reduced)
    }

    /// Gradients of the batch; where the device's memory does not do, in parts of half the size.
    fn gradients(
        &mut self,
        batch: &[usize],
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<Gradients, Error> {
        let step = self.progress.step + 1;
        loop {
            let size = self.micro_batch.min(batch.len());
            match quietly(|| self.parts(batch, size)).and_then(|done| done) {
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

    /// Gradients of the batch's mean loss, in parts of `size` examples. A part counts by the weight
    /// of its examples, so the sum is that of the whole batch however it is divided.
    fn parts(&self, batch: &[usize], size: usize) -> Result<Gradients, String> {
        let (run, progress) = (self.job.run, &self.progress);
        self.device.seed(draw(run.seed, "dropout", progress.epoch, progress.step));
        let network = self.network.as_ref().ok_or("an earlier step failed")?;
        let members = self.job.architecture.members();
        let train = self.job.prepared.part(Part::Train);
        let mixup = Mixup::of(run.train.mixup, run.seed, progress.step);
        #[allow(clippy::cast_precision_loss)]
        let total = self.weight(&train.targets, batch) * members as f64;
        let mut sum = GradientsAccumulator::new();
        let mut value = 0.0;
        for (index, rows) in batch.chunks(size).enumerate() {
            if let Some(fault) = self.job.fault {
                fault(rows.len());
            }
            let mut part = self.augmented(train, rows);
            let mut other = None;
            if let Some(mixup) = mixup {
                let partner = self.augmented(train, &partners(batch, index * size, rows.len()));
                mixup.blend(&mut part.examples.dense, &partner.examples.dense);
                other = Some((mixup.share, partner.targets));
            }
            let examples = if network.trims() { part.examples.trimmed() } else { part.examples };
            let input = Input::new(examples.rows, examples.dense, examples.indices, &self.device);
            let logits = network.each(&input);
            let against = |logits, targets| {
                let truth = truth(self.objective.loss, targets, &input, &self.device).repeat(members);
                self.objective.sum(logits, truth)
            };
            let loss = match other {
                None => against(logits, part.targets),
                Some((share, targets)) => {
                    against(logits.clone(), part.targets).mul_scalar(share)
                        + against(logits, targets).mul_scalar(1.0 - share)
                }
            };
            let loss = loss.div_scalar(total);
            value += f64::from(loss.clone().try_into_scalar::<f32>().map_err(|e| e.to_string())?);
            if !value.is_finite() {
                return Ok(Gradients { loss: value, grads: None });
            }
            let grads = GradientsParams::from_grads(loss.backward(), network);
            if rows.len() == batch.len() {
                return Ok(Gradients { loss: value, grads: Some(grads) });
            }
            sum.accumulate(network, grads);
        }
        Ok(Gradients { loss: value, grads: Some(sum.grads()) })
    }

    /// The training examples at `rows`, their images changed as this epoch has it.
    fn augmented(&self, train: &Labelled, rows: &[usize]) -> Labelled {
        let mut part = train.gather(rows);
        self.augmenter.apply(&mut part.examples, rows, self.job.run.seed, self.progress.epoch);
        part
    }

    /// What the losses of examples are divided by: their number, or the weights of their classes.
    #[allow(clippy::cast_precision_loss)]
    fn weight(&self, targets: &Targets, rows: &[usize]) -> f64 {
        match targets {
            Targets::Class(class) if !self.objective.class_weights.is_empty() => {
                let weight = |row: &usize| {
                    let class = usize::try_from(class[*row]).unwrap_or_default();
                    self.objective.class_weights.get(class).copied().map_or(1.0, f64::from)
                };
                rows.iter().map(weight).sum()
            }
            Targets::Tokens { length, .. } => (rows.len() * length) as f64,
            _ => rows.len() as f64,
        }
    }

    /// Clips and steps; weights change only if the norm is finite.
    fn update(&mut self, mut grads: GradientsParams, rate: f64) -> Result<Option<f64>, String> {
        let limit = self.job.run.train.clip_norm;
        let network = self.network.take().ok_or("an earlier step failed")?;
        let mut norm = None;
        if limit > 0.0 {
            let found = global_norm(&network, &grads)?;
            norm = Some(found);
            if !found.is_finite() {
                self.network = Some(network);
                return Ok(norm);
            }
            grads = clip(&network, grads, found, limit);
        }
        self.network = Some(self.optimizer.step(rate, network, grads));
        Ok(norm)
    }

    /// Moves the average of the weights. It follows closely at first, when the start still shows
    /// (`decay = min(decay, (1 + t) / (10 + t))`, as TensorFlow has it).
    #[allow(clippy::cast_precision_loss)]
    fn average(&mut self) {
        let (Some(ema), Some(network)) = (self.ema.take(), self.network.as_ref()) else { return };
        let t = self.progress.step as f64;
        let decay = self.job.run.train.ema.min((1.0 + t) / (10.0 + t));
        let live: Network = network.valid();
        self.ema = Some(ema.follow(&live, decay));
    }
}

/// Whether a device's words are about its memory.
fn is_out_of_memory(why: &str) -> bool {
    let why = why.to_lowercase();
    ["out of memory", "outofmemory", "out_of_device_memory", "out_of_host_memory", "not enough memory"]
        .iter()
        .any(|words| why.contains(words))
}
