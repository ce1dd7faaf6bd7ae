//! The loop over epochs and steps.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, FloatDType};
use cupola_nn::{Architecture, Network, PretrainedWeights, RandomWeights, StateDict};
use cupola_prep::{Augmenter, Prepared, SplitPart};
use cupola_registry::RunFolder;
use cupola_spec::{Goal, Run};

use crate::checkpoint;
use crate::error::Error;
use crate::event::{EndReason, Event, Stop};
use crate::group::{DeviceGroup, GroupError, SingleDevice};
use crate::objective::{TargetObjective, goal, objectives};
use crate::optimizer::optimizer;
use crate::order::EpochOrder;
use crate::progress::{LossScale, Progress};
use crate::schedule::Clock;

/// Inputs of a training run: what to train, on which data and device, and where to write it.
pub struct Job<'a> {
    /// Configuration of the run.
    pub run: &'a Run,
    /// Prepared examples.
    pub prepared: &'a Prepared,
    /// Architecture of the network.
    pub architecture: &'a Architecture,
    /// Weights to start from, named by the places of their modules; `None` for new weights.
    pub start: Option<&'a StateDict>,
    /// Device to train on, without autodiff.
    pub device: Device,
    /// Type of activations and gradients; `None` for 32 bits. See `cupola_nn::activation_dtype`.
    pub half: Option<FloatDType>,
    /// Folder of the run, to which checkpoints are written.
    pub folder: &'a RunFolder,
    /// Largest number of steps; `None` for no limit.
    pub max_steps: Option<u64>,
    /// Hook that is called with the number of examples before each forward pass. Its panics count as device
    /// failures, which tests simulate in this way.
    pub fault: Option<&'a (dyn Fn(usize) + Sync)>,
}

/// Result of a run.
pub struct TrainOutcome {
    /// Reason for the end.
    pub ended: EndReason,
    /// State of the run.
    pub progress: Progress,
    /// Weights of the best evaluation, or of the last step if there was no evaluation; their moving average
    /// if `train.ema` is set.
    pub weights: StateDict,
}

pub(crate) struct Trainer<'a> {
    pub job: &'a Job<'a>,
    pub group: &'a dyn DeviceGroup,
    pub device: Device,
    pub objectives: Vec<TargetObjective>,
    pub goal: Goal,
    pub augmenter: Augmenter,
    /// Number of training rows in use.
    pub rows: usize,
    pub batches: u64,
    pub clock: Clock,
    /// Number of examples of a micro-batch.
    pub micro_batch: usize,
    /// `None` only while the optimiser updates it in place.
    pub network: Option<Network>,
    /// Moving average of the weights, for inference.
    pub ema: Option<Network>,
    pub optimizer: ModuleOptimizer,
    pub progress: Progress,
}

/// Trains from the run's newest checkpoint, or from the start if there is none. `observer` receives every
/// event and may request a stop.
///
/// # Errors
/// [`Error::Diverged`] for a loss that is not finite, and errors of the folder and the device.
pub fn fit(job: &Job<'_>, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<TrainOutcome, Error> {
    fit_in_group(job, &SingleDevice, observer)
}

/// Trains as one rank of a group, all of which start from the same folder. Only rank 0 writes, and only its
/// outcome has weights.
///
/// # Errors
/// The errors of [`fit`]; [`Error::Group`] if another rank has stopped.
pub fn fit_in_group(
    job: &Job<'_>,
    group: &dyn DeviceGroup,
    observer: &mut dyn FnMut(&Event) -> Stop,
) -> Result<TrainOutcome, Error> {
    let mut this = Trainer::new(job, group)?;
    let ended = this.run(observer)?;
    if !this.leads() {
        return Ok(TrainOutcome { ended, progress: this.progress, weights: StateDict::default() });
    }
    let best = this.progress.best.as_ref().map(|best| best.step);
    let weights = match best {
        Some(step) if step != this.progress.step && ended != EndReason::Stopped => {
            checkpoint::read(job.folder, step)?.to_publish()
        }
        _ => match &this.ema {
            Some(ema) => ema.state_dict()?,
            None => this.network()?.state_dict()?,
        },
    };
    Ok(TrainOutcome { ended, progress: this.progress, weights })
}

/// `share` of `rows`, rounded up.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn limit_rows(rows: usize, share: f64) -> usize {
    ((rows as f64 * share).ceil() as usize).min(rows)
}

impl<'a> Trainer<'a> {
    pub(crate) fn network(&self) -> Result<&Network, Error> {
        let gone = || Error::Device {
            step: self.progress.step,
            why: "the weights were lost in a failed step".into(),
        };
        self.network.as_ref().ok_or_else(gone)
    }

    /// `true` for rank 0, which evaluates, reports and writes.
    pub(crate) fn leads(&self) -> bool {
        self.group.rank() == 0
    }

    pub(crate) fn new(job: &'a Job<'a>, group: &'a dyn DeviceGroup) -> Result<Self, Error> {
        let (run, train) = (job.run, &job.run.train);
        let device = job.device.clone().autodiff();
        let device = if train.gradient_checkpointing { device.gradient_checkpointing() } else { device };
        let rows = limit_rows(job.prepared.rows(SplitPart::Train), train.limit_train);
        let batches = (rows as u64).div_ceil(train.batch_size as u64);
        let averaged = train.ema > 0.0;
        let (network, ema, optimizer, progress) = if let Some(found) = checkpoint::latest(job.folder)? {
            if group.rank() == 0 {
                job.folder.rewind_events(found.progress.step)?;
            }
            let network = found.network(job.architecture, &device)?.cast_activations(job.half);
            let ema =
                found.ema_network(job.architecture, &job.device)?.map(|ema| ema.cast_activations(job.half));
            let fresh = optimizer(train, &network, &job.device);
            let ema = ema.or_else(|| averaged.then(|| network.valid()));
            (network, ema, found.restore(job.folder, fresh)?, found.progress)
        } else {
            if group.rank() == 0 {
                job.folder.rewind_events(0)?;
            }
            let mut random = RandomWeights { seed: run.seed };
            let network = match job.start {
                None => Network::build(job.architecture, &mut random, &device)?,
                Some(weights) => {
                    let head = job.architecture.module_name("head");
                    Network::build(
                        job.architecture,
                        &mut PretrainedWeights { weights, head, random },
                        &device,
                    )?
                }
            };
            let network = network.cast_activations(job.half);
            let fresh = optimizer(train, &network, &job.device);
            let ema = averaged.then(|| network.valid());
            let scale = (job.half == Some(FloatDType::F16)).then(LossScale::start);
            (network, ema, fresh, Progress { scale, ..Progress::start() })
        };
        Ok(Self {
            job,
            group,
            device,
            objectives: objectives(run, job.prepared),
            goal: train.metric.unwrap_or_else(|| goal(&job.prepared.plan)),
            augmenter: Augmenter::new(&run.inputs, &job.prepared.plan),
            rows,
            batches,
            clock: Clock { steps_per_epoch: batches, total: batches * train.epochs as u64 },
            micro_batch: train.examples_at_once().min(train.batch_size),
            network: Some(network),
            ema,
            optimizer,
            progress,
        })
    }

    fn run(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<EndReason, Error> {
        let train = &self.job.run.train;
        while !self.progress.done && self.progress.epoch < train.epochs as u64 {
            let part = self.job.prepared.part(SplitPart::Train);
            let mut order = EpochOrder::new(self.rows, part.block(), self.job.run.seed, self.progress.epoch);
            part.expect(&order.blocks_from(self.place()));
            while self.progress.batch < self.batches {
                if let Some(ended) = self.spent() {
                    // The end of an epoch has already written this checkpoint.
                    if self.leads() && self.job.folder.checkpoint_steps()?.last() != Some(&self.progress.step)
                    {
                        self.checkpoint(observer)?;
                    }
                    return Ok(ended);
                }
                let at = self.place();
                let event = self.step(&order.places(at, at + train.batch_size), observer)?;
                let mut stop = observer(&event) == Stop::Yes;
                let inside = self.progress.batch < self.batches;
                let mut due = every(train.checkpoint_every, self.progress.step);
                // The end of an epoch evaluates and writes a checkpoint itself.
                if inside && every(train.eval_every, self.progress.step) {
                    stop |= self.evaluate_between(observer)? == Stop::Yes;
                    due = true;
                }
                stop = self.agreed(stop)?;
                if inside && (due || stop) {
                    self.checkpoint(observer)?;
                    if stop {
                        return Ok(EndReason::Stopped);
                    }
                    if self.progress.done {
                        return Ok(EndReason::EarlyStop);
                    }
                }
            }
            let stop = self.end_epoch(observer)? == Stop::Yes;
            if self.agreed(stop)? && !self.progress.done {
                return Ok(EndReason::Stopped);
            }
        }
        Ok(if self.out_of_patience() { EndReason::EarlyStop } else { EndReason::Epochs })
    }

    /// `true` if any rank requests a stop.
    fn agreed(&self, stop: bool) -> Result<bool, Error> {
        if self.group.size() == 1 {
            return Ok(stop);
        }
        let mut stops = [f32::from(u8::from(stop))];
        self.group.sum(&mut stops)?;
        Ok(stops[0] > 0.0)
    }

    /// Copies the progress of rank 0 to all ranks.
    pub(crate) fn follow(&mut self) -> Result<(), Error> {
        if self.group.size() == 1 {
            return Ok(());
        }
        let lost = |error: serde_json::Error| GroupError(error.to_string());
        let own = serde_json::to_vec(&self.progress).map_err(lost)?;
        let first = self.group.share(own)?;
        self.progress = serde_json::from_slice(&first).map_err(lost)?;
        Ok(())
    }

    /// Number of examples of this epoch before the next batch.
    fn place(&self) -> usize {
        let batch = usize::try_from(self.progress.batch).unwrap_or(usize::MAX);
        batch.saturating_mul(self.job.run.train.batch_size)
    }

    /// Limit that ends the run before its last epoch, if one is reached.
    fn spent(&self) -> Option<EndReason> {
        let budget = self.job.run.train.time_budget;
        if self.job.max_steps.is_some_and(|most| self.progress.step >= most) {
            Some(EndReason::MaxSteps)
        } else {
            (budget > 0.0 && self.progress.seconds >= budget).then_some(EndReason::TimeBudget)
        }
    }

    pub(crate) fn out_of_patience(&self) -> bool {
        let patience = self.job.run.train.early_stop.patience as u64;
        patience > 0 && self.progress.bad_evaluations >= patience
    }

    pub(crate) fn checkpoint(&self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<(), Error> {
        if !self.leads() {
            return Ok(());
        }
        let weights = self.network()?.state_dict()?;
        if !weights.is_finite() {
            return Err(self.diverged("a weight", f64::NAN, self.progress.step)?);
        }
        let ema = self.ema.as_ref().map(Network::state_dict).transpose()?;
        checkpoint::write(self.job.folder, &self.progress, &weights, ema.as_ref(), &self.optimizer)?;
        observer(&Event::Checkpoint { step: self.progress.step });
        Ok(())
    }

    pub(crate) fn diverged(&self, what: &'static str, value: f64, step: u64) -> Result<Error, Error> {
        let kept = match self.job.folder.checkpoint_steps()?.last() {
            Some(last) => format!("the checkpoint of step {last} is kept"),
            None => "no checkpoint was written yet".to_owned(),
        };
        Ok(Error::Diverged { what, value, step, epoch: self.progress.epoch + 1, kept })
    }
}

fn every(period: usize, step: u64) -> bool {
    period > 0 && step.is_multiple_of(period as u64)
}
