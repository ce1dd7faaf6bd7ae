//! The loop.

use std::time::Instant;

use burn::module::Module;
use burn::optim::{GradientsParams, ModuleOptimizer};
use burn::tensor::Device;
use cupola_eval::Metrics;
use cupola_nn::{Architecture, Drawn, Input, Loss, Network, StateDict, quietly};
use cupola_prep::{Part, Prepared, draw, permutation};
use cupola_registry::RunFolder;
use cupola_spec::{Goal, Run};
use serde::Serialize;

use crate::checkpoint;
use crate::error::Error;
use crate::optimizer::{clip, global_norm, optimizer};
use crate::progress::Progress;
use crate::schedule::learning_rate;
use crate::score::{goal, loss_of, score, truth};

/// What to train, on what, and where to keep it.
pub struct Job<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its data.
    pub prepared: &'a Prepared,
    /// Its network.
    pub architecture: &'a Architecture,
    /// Without autodiff.
    pub device: Device,
    /// Where checkpoints go.
    pub folder: &'a RunFolder,
    /// End after so many steps, if given.
    pub max_steps: Option<u64>,
}

/// What happens in a run, one line of `events.jsonl` each.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// After a step.
    Step {
        /// From 1.
        step: u64,
        /// From 1.
        epoch: u64,
        /// Of this batch.
        loss: f64,
        /// Of this step.
        learning_rate: f64,
        /// Global norm before clipping, where there is clipping.
        #[serde(skip_serializing_if = "Option::is_none")]
        grad_norm: Option<f64>,
        /// In this batch.
        examples: u64,
        /// Of this step.
        seconds: f64,
    },
    /// After an epoch.
    Epoch {
        /// Steps done.
        step: u64,
        /// From 1.
        epoch: u64,
        /// Mean over the epoch.
        train_loss: f64,
        /// Metrics of the valid split, where there is one.
        valid: serde_json::Map<String, serde_json::Value>,
        /// Whether this is the best epoch so far.
        best: bool,
    },
    /// After a checkpoint is safe on disk.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs.
    Epochs,
    /// No improvement for `patience` epochs.
    EarlyStop,
    /// `--max-steps`
    MaxSteps,
    /// On request; a checkpoint is written.
    Stopped,
}

/// What the observer wants after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    No,
    /// Write a checkpoint and stop.
    Yes,
}

/// The end of a run.
pub struct Outcome {
    /// Why.
    pub ended: Ended,
    /// Where it stands.
    pub progress: Progress,
    /// Weights of the best epoch, or of the last step where none was judged.
    pub weights: StateDict,
}

struct Loop<'a> {
    job: &'a Job<'a>,
    device: Device,
    loss: Loss,
    goal: Goal,
    batches: u64,
    total_steps: u64,
    /// Out only while the optimiser changes it in place.
    network: Option<Network>,
    optimizer: ModuleOptimizer,
    progress: Progress,
}

/// Trains from the run's newest checkpoint, or from the start where there is none. `observer` sees
/// every event as it happens and may ask to stop.
///
/// # Errors
/// [`Error::Diverged`] on a loss that is not finite, whatever the folder or the device says.
pub fn fit(job: &Job<'_>, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<Outcome, Error> {
    let mut this = Loop::new(job)?;
    let ended = this.run(observer)?;
    if ended == Ended::Stopped {
        let weights = this.network()?.state_dict()?;
        return Ok(Outcome { ended, progress: this.progress, weights });
    }
    let weights = match &this.progress.best {
        Some(best) if best.step != this.progress.step => checkpoint::read(job.folder, best.step)?.weights,
        _ => this.network()?.state_dict()?,
    };
    Ok(Outcome { ended, progress: this.progress, weights })
}

impl<'a> Loop<'a> {
    fn network(&self) -> Result<&Network, Error> {
        let gone = || Error::Device { step: self.progress.step, why: "the weights are lost".into() };
        self.network.as_ref().ok_or_else(gone)
    }

    fn new(job: &'a Job<'a>) -> Result<Self, Error> {
        let device = job.device.clone().autodiff();
        let target = &job.prepared.plan.target;
        let rows = job.prepared.rows(Part::Train) as u64;
        let batches = rows.div_ceil(job.run.train.batch_size as u64);
        let fresh = optimizer(&job.run.train.optimizer, &job.device);
        let (network, optimizer, progress) = if let Some(found) = checkpoint::latest(job.folder)? {
            job.folder.rewind_events(found.progress.step)?;
            let network = found.network(job.architecture, &device)?;
            (network, found.restore(job.folder, fresh)?, found.progress)
        } else {
            job.folder.rewind_events(0)?;
            let network = Network::build(job.architecture, &mut Drawn { seed: job.run.seed }, &device)?;
            (network, fresh, Progress::start())
        };
        Ok(Self {
            job,
            device,
            loss: loss_of(target),
            goal: job.run.train.metric.unwrap_or_else(|| goal(target)),
            batches,
            total_steps: batches * job.run.train.epochs as u64,
            network: Some(network),
            optimizer,
            progress,
        })
    }

    fn run(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<Ended, Error> {
        let train = &self.job.run.train;
        while !self.progress.done && self.progress.epoch < train.epochs as u64 {
            let rows = self.job.prepared.rows(Part::Train);
            let order = permutation(rows, self.job.run.seed, "shuffle", self.progress.epoch);
            while self.progress.batch < self.batches {
                if self.job.max_steps.is_some_and(|most| self.progress.step >= most) {
                    // The end of an epoch has written this one already.
                    if self.job.folder.checkpoint_steps()?.last() != Some(&self.progress.step) {
                        self.checkpoint(observer)?;
                    }
                    return Ok(Ended::MaxSteps);
                }
                let at = usize::try_from(self.progress.batch).unwrap_or(usize::MAX) * train.batch_size;
                let batch = &order[at..(at + train.batch_size).min(rows)];
                let event = self.step(batch)?;
                let every = train.checkpoint_every as u64;
                let due = every > 0 && self.progress.step.is_multiple_of(every);
                let stop = observer(&event) == Stop::Yes;
                // The end of an epoch writes its own.
                if (due || stop) && self.progress.batch < self.batches {
                    self.checkpoint(observer)?;
                    if stop {
                        return Ok(Ended::Stopped);
                    }
                }
            }
            if self.end_epoch(observer)? == Stop::Yes && !self.progress.done {
                return Ok(Ended::Stopped);
            }
        }
        let patience = train.early_stop.patience as u64;
        let out_of_patience = patience > 0 && self.progress.bad_epochs >= patience;
        Ok(if out_of_patience { Ended::EarlyStop } else { Ended::Epochs })
    }

    /// One update from the examples at `batch`.
    fn step(&mut self, batch: &[usize]) -> Result<Event, Error> {
        let started = Instant::now();
        let step = self.progress.step + 1;
        let fail = |why: String| Error::Device { step, why };
        let (loss, grad_norm, rate) = quietly(|| self.update(batch)).and_then(|done| done).map_err(fail)?;
        if !loss.is_finite() {
            return Err(self.diverged("loss", loss, step)?);
        }
        if let Some(norm) = grad_norm.filter(|norm| !norm.is_finite()) {
            return Err(self.diverged("the gradients' norm", norm, step)?);
        }
        self.progress.step = step;
        self.progress.batch += 1;
        #[allow(clippy::cast_precision_loss)]
        let examples = batch.len() as f64;
        self.progress.loss_sum += loss * examples;
        self.progress.seen += batch.len() as u64;
        Ok(Event::Step {
            step,
            epoch: self.progress.epoch + 1,
            loss,
            learning_rate: rate,
            grad_norm,
            examples: batch.len() as u64,
            seconds: started.elapsed().as_secs_f64(),
        })
    }

    /// Forward, backward, clip, optimiser; weights change only if loss and norm are finite.
    fn update(&mut self, batch: &[usize]) -> Result<(f64, Option<f64>, f64), String> {
        let (run, progress) = (self.job.run, &self.progress);
        self.device.seed(draw(run.seed, "dropout", progress.epoch, progress.step));
        let part = self.job.prepared.part(Part::Train).gather(batch);
        let examples = part.examples;
        let input =
            Input::new(examples.rows, &examples.layout.dense, examples.dense, examples.indices, &self.device);
        let truth = truth(self.loss, part.targets, &self.device);
        let network = self.network.take().ok_or("an earlier step failed")?;
        let loss = self.loss.forward(network.forward(input), truth);
        let value = f64::from(loss.clone().try_into_scalar::<f32>().map_err(|e| e.to_string())?);
        let rate = learning_rate(
            &run.train.schedule,
            run.train.optimizer.learning_rate,
            progress.step,
            self.total_steps,
        );
        if !value.is_finite() {
            return Ok((value, None, rate));
        }
        let mut grads = GradientsParams::from_grads(loss.backward(), &network);
        let mut norm = None;
        if run.train.clip_norm > 0.0 {
            let found = global_norm(&network, &grads)?;
            norm = Some(found);
            if !found.is_finite() {
                return Ok((value, norm, rate));
            }
            grads = clip(&network, grads, found, run.train.clip_norm);
        }
        self.network = Some(self.optimizer.step(rate, network, grads));
        Ok((value, norm, rate))
    }

    fn end_epoch(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<Stop, Error> {
        let train = &self.job.run.train;
        #[allow(clippy::cast_precision_loss)]
        let train_loss = self.progress.loss_sum / self.progress.seen.max(1) as f64;
        let valid = self.valid()?;
        let mut best = false;
        if let Some(value) = valid.as_ref().and_then(|m| m.values.get(self.goal.name()).copied()) {
            best = self.progress.judge(value, self.goal.larger_is_better(), train.early_stop.min_delta);
        }
        let epoch = self.progress.epoch + 1;
        let patience = train.early_stop.patience as u64;
        self.progress.done = epoch == train.epochs as u64
            || patience > 0 && valid.is_some() && self.progress.bad_epochs >= patience;
        self.progress.epoch = epoch;
        self.progress.batch = 0;
        self.progress.loss_sum = 0.0;
        self.progress.seen = 0;
        let values = valid.map(|m| m.values).unwrap_or_default();
        let valid = values.into_iter().map(|(name, value)| (name, value.into())).collect();
        // Before the checkpoint: whoever resumes from it will not tell of this epoch again.
        let stop = observer(&Event::Epoch { step: self.progress.step, epoch, train_loss, valid, best });
        self.checkpoint(observer)?;
        Ok(stop)
    }

    fn valid(&self) -> Result<Option<Metrics>, Error> {
        let part = self.job.prepared.part(Part::Valid);
        if part.examples.rows == 0 {
            return Ok(None);
        }
        let target = &self.job.prepared.plan.target;
        score(&self.network()?.valid(), target, part, &self.job.device).map(Some)
    }

    fn checkpoint(&self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<(), Error> {
        let weights = self.network()?.state_dict()?;
        if !weights.is_finite() {
            return Err(self.diverged("a weight", f64::NAN, self.progress.step)?);
        }
        checkpoint::write(self.job.folder, &self.progress, &weights, &self.optimizer)?;
        observer(&Event::Checkpoint { step: self.progress.step });
        Ok(())
    }

    fn diverged(&self, what: &'static str, value: f64, step: u64) -> Result<Error, Error> {
        let kept = match self.job.folder.checkpoint_steps()?.last() {
            Some(last) => format!("the checkpoint of step {last} is kept"),
            None => "no checkpoint was written yet".to_owned(),
        };
        Ok(Error::Diverged { what, value, step, epoch: self.progress.epoch + 1, kept })
    }
}
