//! Evaluation during training: the best evaluation so far, early stopping, and the plateau schedule.

use burn::module::Module;
use cupola_eval::Metrics;
use cupola_prep::SplitPart;
use cupola_spec::ScheduleKind;

use crate::error::Error;
use crate::evaluate::evaluate_part;
use crate::event::{Event, MetricValues, Stop};
use crate::fit::{Trainer, limit_rows};

impl Trainer<'_> {
    /// Evaluates in the middle of an epoch.
    pub(crate) fn evaluate_between(
        &mut self,
        observer: &mut dyn FnMut(&Event) -> Stop,
    ) -> Result<Stop, Error> {
        let (valid, best) = self.evaluate()?;
        self.progress.done |= self.out_of_patience();
        let (step, epoch) = (self.progress.step, self.progress.epoch + 1);
        Ok(observer(&Event::Evaluation { step, epoch, valid, best }))
    }

    /// Ends an epoch: evaluation, early stopping and checkpoint.
    pub(crate) fn end_epoch(&mut self, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<Stop, Error> {
        let train = &self.job.run.train;
        #[allow(clippy::cast_precision_loss)]
        let train_loss = self.progress.loss_sum / self.progress.seen.max(1) as f64;
        let epoch = self.progress.epoch + 1;
        let last = epoch == train.epochs as u64;
        let due = train.eval_every == 0 || last || self.progress.step.is_multiple_of(train.eval_every as u64);
        let (valid, best) = if due { self.evaluate()? } else { (MetricValues::new(), false) };
        self.progress.done = last || self.out_of_patience();
        self.progress.epoch = epoch;
        self.progress.batch = 0;
        self.progress.loss_sum = 0.0;
        self.progress.seen = 0;
        #[allow(clippy::cast_precision_loss)]
        let memory_mib =
            memory_stats::memory_stats().map(|memory| (memory.physical_mem >> 10) as f64 / 1024.0);
        let step = self.progress.step;
        // The event precedes the checkpoint: a run that resumes from the checkpoint does not repeat the event.
        let stop = observer(&Event::Epoch { step, epoch, train_loss, valid, best, memory_mib });
        self.checkpoint(observer)?;
        Ok(stop)
    }

    /// Metrics of the valid split, and `true` if they are the best so far. Updates the plateau schedule.
    fn evaluate(&mut self) -> Result<(MetricValues, bool), Error> {
        if !self.leads() {
            self.follow()?;
            return Ok((MetricValues::new(), false));
        }
        let train = &self.job.run.train;
        let valid = self.valid()?;
        let mut best = false;
        if let Some(value) = valid.as_ref().and_then(|m| m.values.get(self.goal.name()).copied()) {
            let loss = valid.as_ref().and_then(|m| m.values.get("loss").copied());
            let (up, min_delta) = (self.goal.larger_is_better(), train.early_stop.min_delta);
            best = self.progress.record_evaluation(value, loss, up, min_delta);
            if train.schedule.kind == ScheduleKind::Plateau {
                self.progress.plateau(best, train.schedule.patience as u64);
            }
        }
        self.follow()?;
        let values = valid.map(|m| m.values).unwrap_or_default();
        Ok((values.into_iter().map(|(name, value)| (name, value.into())).collect(), best))
    }

    fn valid(&self) -> Result<Option<Metrics>, Error> {
        let part = self.job.prepared.part(SplitPart::Valid);
        if part.is_empty() {
            return Ok(None);
        }
        // Rows are in the order of a hash, so the first ones are a random sample.
        let rows = limit_rows(part.len(), self.job.run.train.limit_valid);
        let live;
        let network = if let Some(ema) = &self.ema {
            ema
        } else {
            live = self.network()?.valid();
            &live
        };
        evaluate_part(network, &self.job.prepared.plan, &self.objectives, part, rows, &self.job.device)
            .map(Some)
    }
}
