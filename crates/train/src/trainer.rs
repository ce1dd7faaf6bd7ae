//! The loop over epochs and steps, put together from components that hold their own state.

mod devices;
mod evaluation;
mod fit;
mod order;
mod range_test;
mod start;

use std::time::Instant;

use cupola_nn::Network;
use cupola_prep::SplitPart;

pub use self::devices::fit_on_devices;
pub use self::fit::{fit, fit_in_group};
use self::order::EpochOrder;
pub use self::range_test::{RateTrial, range_test, suggested_rate};
pub use self::start::batches_of;
use crate::checkpoint::{Checkpointer, ResumeState, RunPosition};
use crate::error::Error;
use crate::evaluate::{EarlyStopping, Validation};
use crate::event::{EndReason, Event, Stop};
use crate::group::GroupMember;
use crate::job::Job;
use crate::step::{MovingAverage, RunRate, Stepper};

/// A run in progress.
pub(crate) struct Trainer<'a> {
    pub job: &'a Job<'a>,
    pub group: GroupMember<'a>,
    /// Number of training rows in use.
    pub rows: usize,
    /// Number of batches of an epoch.
    pub batches: u64,
    pub position: RunPosition,
    /// `true` if the last epoch is done or training has stopped early.
    pub done: bool,
    pub stepper: Stepper<'a>,
    pub average: MovingAverage,
    pub rate: RunRate<'a>,
    pub validation: Validation<'a>,
    pub early_stopping: EarlyStopping,
    /// `true` once an evaluation without the metric is reported.
    pub reported_undefined: bool,
    pub checkpointer: Checkpointer<'a>,
}

impl Trainer<'_> {
    /// Trains to the last epoch, or to a limit, early stopping or a request to stop.
    fn run(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<EndReason, Error> {
        self.report_start(observer);
        while !self.done && self.position.epoch < self.job.run.train.epochs as u64 {
            let mut order = self.epoch_order();
            while self.inside_epoch() {
                if let Some(limit) = self.limit_reached() {
                    // The end of an epoch has already written this checkpoint.
                    if self.group.leads() && self.checkpointer.newest_step()? != Some(self.position.step) {
                        self.checkpoint(observer)?;
                    }
                    return Ok(limit);
                }
                if let Some(ended) = self.train_step(&mut order, observer)? {
                    return Ok(ended);
                }
            }
            let stop = self.end_epoch(observer)? == Stop::Yes;
            if self.group.agree_to_stop(stop)? && !self.done {
                return Ok(EndReason::Stopped);
            }
        }
        Ok(if self.early_stopping.out_of_patience() { EndReason::EarlyStop } else { EndReason::Epochs })
    }

    /// Trains on the next batch of the epoch: batch, step, moving average, event, evaluation and checkpoint
    /// when due, stop when requested. Returns the reason if the run ends.
    pub(crate) fn train_step(
        &mut self,
        order: &mut EpochOrder,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<Option<EndReason>, Error> {
        let train = &self.job.run.train;
        let from = self.position.examples_before(train.batch_size);
        let last = self.position.batch + 1 == self.batches;
        let batch = order.examples(from, if last { self.rows } else { from + train.batch_size });

        let started = Instant::now();
        let rate = self.rate.at(self.position.step);
        self.stepper.set_shares(&self.rate, self.position.step);
        let found = self.stepper.step(&batch, &self.position, rate, observer)?;
        if found.applied {
            let network = self.stepper.network().map_err(|failure| failure.at(self.position.step))?;
            self.average.update(network, self.position.step);
        }
        let seconds = self.group.seconds_of_first(started.elapsed().as_secs_f64())?;
        self.position.advance(found.loss, batch.len(), seconds);
        let mut stop = observer(&Event::Step {
            step: self.position.step,
            epoch: self.position.epoch + 1,
            loss: found.loss,
            learning_rate: rate,
            grad_norm: found.grad_norm,
            examples: batch.len() as u64,
            seconds,
        }) == Stop::Yes;

        // The end of an epoch evaluates and writes a checkpoint itself.
        let inside = self.inside_epoch();
        let evaluation_due = inside && is_due(train.eval_every, self.position.step);
        if evaluation_due {
            stop |= self.evaluate_between(observer)? == Stop::Yes;
        }
        let stop = self.group.agree_to_stop(stop)?;
        if inside && (stop || evaluation_due || is_due(train.checkpoint_every, self.position.step)) {
            self.checkpoint(observer)?;
        }
        Ok(match (inside, stop, self.done) {
            (true, true, _) => Some(EndReason::Stopped),
            (true, false, true) => Some(EndReason::EarlyStop),
            _ => None,
        })
    }

    /// Order of the current epoch. Examples in a file are read ahead in this order.
    pub(crate) fn epoch_order(&self) -> EpochOrder {
        let part = self.job.prepared.part(SplitPart::Train);
        let mut order = EpochOrder::new(self.rows, part.block(), self.job.run.seed, self.position.epoch);
        part.expect(&order.blocks_from(self.position.examples_before(self.job.run.train.batch_size)));
        order
    }

    fn inside_epoch(&self) -> bool {
        self.position.batch < self.batches
    }

    /// Limit that ends the run before its last epoch, if one is reached.
    fn limit_reached(&self) -> Option<EndReason> {
        let budget = self.job.run.train.time_budget;
        if self.job.max_steps.is_some_and(|most| self.position.step >= most) {
            Some(EndReason::MaxSteps)
        } else {
            (budget > 0.0 && self.position.seconds >= budget).then_some(EndReason::TimeBudget)
        }
    }

    /// Writes a checkpoint on rank 0.
    pub(crate) fn checkpoint(&self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<(), Error> {
        if !self.group.leads() {
            return Ok(());
        }
        let RunPosition { step, epoch, .. } = self.position;
        let weights = self.network()?.state_dict()?;
        if !weights.is_finite() {
            return Err(Error::diverged(self.job.folder, "a weight", f64::NAN, step, epoch)?);
        }
        let ema = self.average.network().map(Network::state_dict).transpose()?;
        self.checkpointer.write(&self.resume_state(), &weights, ema.as_ref(), &self.stepper.optimizer)?;
        observer(&Event::Checkpoint { step });
        Ok(())
    }

    fn network(&self) -> Result<&Network, Error> {
        self.stepper.network().map_err(|failure| failure.at(self.position.step))
    }

    /// State that a checkpoint stores beside weights and moments: the states of all components.
    pub(crate) fn resume_state(&self) -> ResumeState {
        ResumeState {
            step: self.position.step,
            epoch: self.position.epoch,
            batch: self.position.batch,
            loss_sum: self.position.loss_sum,
            seen: self.position.seen,
            best: self.early_stopping.best.clone(),
            bad_evaluations: self.early_stopping.bad_evaluations,
            reductions: self.rate.reductions,
            plateau: self.rate.plateau,
            seconds: self.position.seconds,
            done: self.done,
            scale: self.stepper.scale,
            micro_batch: self.stepper.reduced_micro_batch(),
        }
    }

    /// Hands each component its part of a stored state.
    pub(crate) fn restore(&mut self, state: ResumeState) {
        let ResumeState { step, epoch, batch, loss_sum, seen, seconds, .. } = state;
        self.position = RunPosition { step, epoch, batch, loss_sum, seen, seconds };
        self.early_stopping.best = state.best;
        self.early_stopping.bad_evaluations = state.bad_evaluations;
        self.rate.reductions = state.reductions;
        self.rate.plateau = state.plateau;
        self.done = state.done;
        self.stepper.scale = state.scale;
        // Each rank keeps its own size if that is smaller: devices may differ in memory.
        if let Some(size) = state.micro_batch {
            self.stepper.micro_batch = self.stepper.micro_batch.min(size.max(1));
        }
    }
}

/// `true` if an action that happens every `period` steps is due after `step`; never for a period of 0.
fn is_due(period: usize, step: u64) -> bool {
    period > 0 && step.is_multiple_of(period as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{data, job, run, run_dir, turn};
    use crate::{BestCheckpoint, LossScale, SingleDevice};

    #[test]
    fn the_state_of_all_components_is_restored() {
        let (run, run_dir) = (run(""), run_dir());
        let prepared = data(&run);
        let architecture = crate::architecture(&run, &prepared.plan).unwrap();
        let job = job(&run, &prepared, &architecture, &run_dir);
        let _turn = turn();
        let mut trainer = Trainer::new(&job, &SingleDevice).unwrap();
        let state = ResumeState {
            step: 1,
            epoch: 2,
            batch: 3,
            loss_sum: 4.0,
            seen: 5,
            best: Some(BestCheckpoint { step: 6, epoch: 7, value: 8.0, loss: Some(9.0) }),
            bad_evaluations: 10,
            reductions: 11,
            plateau: 12,
            seconds: 13.0,
            done: true,
            scale: Some(LossScale { factor: 14.0, good: 15 }),
            micro_batch: Some(7),
        };
        assert_ne!(trainer.resume_state(), state);
        trainer.restore(state.clone());
        assert_eq!(trainer.resume_state(), state);
    }

    #[test]
    fn a_period_of_zero_is_never_due() {
        assert!((0..10).all(|step| !is_due(0, step)));
        assert_eq!((1..7).filter(|&step| is_due(3, step)).collect::<Vec<_>>(), [3, 6]);
    }
}
