//! The loop over epochs and steps.

use burn::module::Module;
use burn::optim::ModuleOptimizer;
use burn::tensor::{Device, FloatDType};
use cupola_nn::{Architecture, Network, PretrainedWeights, RandomWeights, StateDict};
use cupola_prep::{Augmenter, Part, Prepared};
use cupola_registry::RunFolder;
use cupola_spec::{Goal, Run};

use crate::checkpoint;
use crate::error::Error;
use crate::event::{Ended, Event, Stop};
use crate::group::{Alone, Group};
use crate::objective::{Aim, aims, goal};
use crate::optimizer::optimizer;
use crate::order::Order;
use crate::progress::{LossScale, Progress};
use crate::schedule::Clock;

/// What to train, on what, and where to keep it.
pub struct Job<'a> {
    /// The run.
    pub run: &'a Run,
    /// Its data.
    pub prepared: &'a Prepared,
    /// Its network.
    pub architecture: &'a Architecture,
    /// Weights to start from, by the places of their modules.
    pub start: Option<&'a StateDict>,
    /// Without autodiff.
    pub device: Device,
    /// The type of activations, where it is not 32 bits wide: see `cupola_nn::activation_dtype`.
    pub half: Option<FloatDType>,
    /// Where checkpoints go.
    pub folder: &'a RunFolder,
    /// End after so many steps, if given.
    pub max_steps: Option<u64>,
    /// Called with the number of examples before each forward pass; a panic in it is one of the
    /// device. For tests of what a failing device does to a run.
    pub fault: Option<&'a (dyn Fn(usize) + Sync)>,
}

/// The end of a run.
pub struct Outcome {
    /// Why.
    pub ended: Ended,
    /// Where it stands.
    pub progress: Progress,
    /// Weights of the best evaluation, or of the last step where none was judged; their moving
    /// average where `train.ema` asks for one.
    pub weights: StateDict,
}

pub(crate) struct Loop<'a> {
    pub job: &'a Job<'a>,
    pub group: &'a dyn Group,
    pub device: Device,
    pub aims: Vec<Aim>,
    pub goal: Goal,
    pub augmenter: Augmenter,
    /// Training rows in use.
    pub rows: usize,
    pub batches: u64,
    pub clock: Clock,
    /// Examples in memory at once.
    pub micro_batch: usize,
    /// Out only while the optimiser changes it in place.
    pub network: Option<Network>,
    /// Moving average, for inference.
    pub ema: Option<Network>,
    pub optimizer: ModuleOptimizer,
    pub progress: Progress,
}

/// Trains from the run's newest checkpoint, or from the start where there is none. `observer` sees
/// every event as it happens and may ask to stop.
///
/// # Errors
/// [`Error::Diverged`] on a loss that is not finite, whatever the folder or the device says.
pub fn fit(job: &Job<'_>, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<Outcome, Error> {
    fit_among(job, &Alone, observer)
}

/// The same as one of a group, all of which begin from one folder. Only the first rank writes, and the
/// weights of the outcome are its.
///
/// # Errors
/// As [`fit`]; [`Error::Group`] when another rank is gone.
pub fn fit_among(
    job: &Job<'_>,
    group: &dyn Group,
    observer: &mut dyn FnMut(&Event) -> Stop,
) -> Result<Outcome, Error> {
    let mut this = Loop::new(job, group)?;
    let ended = this.run(observer)?;
    if !this.leads() {
        return Ok(Outcome { ended, progress: this.progress, weights: StateDict::default() });
    }
    let best = this.progress.best.as_ref().map(|best| best.step);
    let weights = match best {
        Some(step) if step != this.progress.step && ended != Ended::Stopped => {
            checkpoint::read(job.folder, step)?.to_publish()
        }
        _ => match &this.ema {
            Some(ema) => ema.state_dict()?,
            None => this.network()?.state_dict()?,
        },
    };
    Ok(Outcome { ended, progress: this.progress, weights })
}

/// `share` of `rows`, at least one where there is any.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn limited(rows: usize, share: f64) -> usize {
    ((rows as f64 * share).ceil() as usize).min(rows)
}

impl<'a> Loop<'a> {
    pub(crate) fn network(&self) -> Result<&Network, Error> {
        let gone = || Error::Device { step: self.progress.step, why: "the weights are lost".into() };
        self.network.as_ref().ok_or_else(gone)
    }

    /// Whether this is the rank that evaluates, tells and writes.
    pub(crate) fn leads(&self) -> bool {
        self.group.rank() == 0
    }

    pub(crate) fn new(job: &'a Job<'a>, group: &'a dyn Group) -> Result<Self, Error> {
        let (run, train) = (job.run, &job.run.train);
        let device = job.device.clone().autodiff();
        let device = if train.gradient_checkpointing { device.gradient_checkpointing() } else { device };
        let rows = limited(job.prepared.rows(Part::Train), train.limit_train);
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
            aims: aims(run, job.prepared),
            goal: train.metric.unwrap_or_else(|| goal(&job.prepared.plan)),
            augmenter: Augmenter::of(&run.inputs, &job.prepared.plan),
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

    fn run(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<Ended, Error> {
        let train = &self.job.run.train;
        while !self.progress.done && self.progress.epoch < train.epochs as u64 {
            let part = self.job.prepared.part(Part::Train);
            let mut order = Order::new(self.rows, part.block(), self.job.run.seed, self.progress.epoch);
            part.expect(&order.blocks_from(self.place()));
            while self.progress.batch < self.batches {
                if let Some(ended) = self.spent() {
                    // The end of an epoch has written this one already.
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
                // The end of an epoch has a word and a checkpoint of its own.
                if inside && every(train.eval_every, self.progress.step) {
                    stop |= self.evaluate_between(observer)? == Stop::Yes;
                    due = true;
                }
                stop = self.agreed(stop)?;
                if inside && (due || stop) {
                    self.checkpoint(observer)?;
                    if stop {
                        return Ok(Ended::Stopped);
                    }
                    if self.progress.done {
                        return Ok(Ended::EarlyStop);
                    }
                }
            }
            let stop = self.end_epoch(observer)? == Stop::Yes;
            if self.agreed(stop)? && !self.progress.done {
                return Ok(Ended::Stopped);
            }
        }
        Ok(if self.out_of_patience() { Ended::EarlyStop } else { Ended::Epochs })
    }

    /// Whether any rank wants to stop.
    fn agreed(&self, stop: bool) -> Result<bool, Error> {
        if self.group.size() == 1 {
            return Ok(stop);
        }
        let mut stops = [f32::from(u8::from(stop))];
        self.group.sum(&mut stops).map_err(|why| Error::Group { why })?;
        Ok(stops[0] > 0.0)
    }

    /// The first rank's progress for all.
    pub(crate) fn follow(&mut self) -> Result<(), Error> {
        if self.group.size() == 1 {
            return Ok(());
        }
        let lost = |why: String| Error::Group { why };
        let own = serde_json::to_vec(&self.progress).map_err(|error| lost(error.to_string()))?;
        let first = self.group.share(own).map_err(lost)?;
        self.progress = serde_json::from_slice(&first).map_err(|error| lost(error.to_string()))?;
        Ok(())
    }

    /// Examples of this epoch before the next batch.
    fn place(&self) -> usize {
        let batch = usize::try_from(self.progress.batch).unwrap_or(usize::MAX);
        batch.saturating_mul(self.job.run.train.batch_size)
    }

    /// Why the run ends before its last epoch, if it does.
    fn spent(&self) -> Option<Ended> {
        let budget = self.job.run.train.time_budget;
        if self.job.max_steps.is_some_and(|most| self.progress.step >= most) {
            Some(Ended::MaxSteps)
        } else {
            (budget > 0.0 && self.progress.seconds >= budget).then_some(Ended::TimeBudget)
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
