//! Evaluations of a run: between two steps and at the end of an epoch.

use burn::module::Module;

use super::Trainer;
use crate::error::Error;
use crate::evaluate::BestCheckpoint;
use crate::event::{Event, MetricValues, Stop};

impl Trainer<'_> {
    /// Reports what the rows and the network make of the settings, before the first step.
    pub(super) fn report_start(&self, observer: &mut dyn FnMut(&Event) -> Stop) {
        let step = self.position.step;
        let selection = &self.validation.selection;
        if let Some(undefined) = &selection.replaced {
            let fallback = (self.validation.rows > 0).then(|| selection.goal.name());
            let (metric, why) = (undefined.metric.name(), undefined.to_string());
            observer(&Event::MetricReplaced { step, metric, fallback, why });
        }
        let size = self.job.run.train.batch_size;
        let before = usize::try_from(self.batches.saturating_sub(1)).unwrap_or(usize::MAX);
        let last = self.rows.saturating_sub(before.saturating_mul(size));
        if last > size {
            let why = format!(
                "the last batch of an epoch has one example, which batch norm cannot normalise; it joins the batch before, of {last} examples"
            );
            observer(&Event::BatchMerged { step, examples: last as u64, why });
        }
    }

    /// Evaluates in the middle of an epoch.
    pub(super) fn evaluate_between(
        &mut self,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<Stop, Error> {
        let (valid, best) = self.evaluate(observer)?;
        self.done |= self.early_stopping.out_of_patience();
        let (step, epoch) = (self.position.step, self.position.epoch + 1);
        Ok(observer(&Event::Evaluation { step, epoch, valid, best }))
    }

    /// Ends an epoch: evaluation, early stopping and checkpoint.
    pub(super) fn end_epoch(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<Stop, Error> {
        let train = &self.job.run.train;
        let train_loss = self.position.mean_loss();
        let (step, epoch) = (self.position.step, self.position.epoch + 1);
        let last = epoch == train.epochs as u64;
        let due = train.eval_every == 0 || last || step.is_multiple_of(train.eval_every as u64);
        let (valid, best) = if due { self.evaluate(observer)? } else { (MetricValues::new(), false) };
        self.done = last || self.early_stopping.out_of_patience();
        self.position.end_epoch();
        #[allow(clippy::cast_precision_loss)]
        let memory_mib =
            memory_stats::memory_stats().map(|memory| (memory.physical_mem >> 10) as f64 / 1024.0);
        // The event precedes the checkpoint: a run that resumes from the checkpoint does not repeat the event.
        let stop = observer(&Event::Epoch { step, epoch, train_loss, valid, best, memory_mib });
        self.checkpoint(observer)?;
        Ok(stop)
    }

    /// Metrics of the valid split, and `true` if they are the best so far. Rank 0 evaluates, updates early
    /// stopping and the plateau schedule, and shares its state with the other ranks, which get no metrics.
    fn evaluate(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<(MetricValues, bool), Error> {
        let (mut valid, mut best) = (MetricValues::new(), false);
        if self.group.leads() {
            let found = match self.average.network() {
                Some(average) => self.validation.run(average)?,
                None => self.validation.run(&self.network()?.valid())?,
            };
            if self.validation.rows > 0 {
                let (step, epoch) = (self.position.step, self.position.epoch + 1);
                // NaN is never an improvement.
                let value = found.value.unwrap_or(f64::NAN);
                best = self.early_stopping.record(BestCheckpoint { step, epoch, value, loss: found.loss });
                self.rate.record_evaluation(best);
                if !value.is_finite() {
                    self.report_undefined(observer);
                }
            }
            valid = found.metrics;
        }
        let state = self.group.broadcast(self.resume_state())?;
        self.restore(state);
        Ok((valid, best))
    }

    /// Reports the first evaluation without the metric.
    fn report_undefined(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) {
        if std::mem::replace(&mut self.reported_undefined, true) {
            return;
        }
        let (step, epoch) = (self.position.step, self.position.epoch + 1);
        let metric = self.validation.selection.goal.name();
        let why = format!(
            "`{metric}` is undefined in the evaluation after step {step}; such an evaluation counts as one without improvement"
        );
        observer(&Event::MetricUndefined { step, epoch, metric, why });
    }
}
