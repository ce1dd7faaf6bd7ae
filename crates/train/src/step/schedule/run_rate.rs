//! Learning rate of a run, with the state of the plateau schedule.

use cupola_spec::{ScheduleKind, ShareSchedule, Train};

use super::{Clock, learning_rate};

/// Schedule of a run, and the state of its plateau reductions.
#[derive(Debug, Clone)]
pub(crate) struct RunRate<'a> {
    train: &'a Train,
    clock: Clock,
    /// Number of reductions by the plateau schedule.
    pub reductions: u64,
    /// Number of evaluations without improvement since the last reduction.
    pub plateau: u64,
}

impl<'a> RunRate<'a> {
    /// The schedule before the first step.
    pub fn new(train: &'a Train, clock: Clock) -> Self {
        Self { train, clock, reductions: 0, plateau: 0 }
    }

    /// Learning rate of `step`, counted from 0.
    pub fn at(&self, step: u64) -> f64 {
        let peak = self.train.optimizer.learning_rate;
        learning_rate(&self.train.schedule, peak, step, self.clock, self.reductions)
    }

    /// Share of the configured value that a quantity with this schedule has in `step`, counted from 0.
    pub fn share_at(&self, schedule: ShareSchedule, step: u64) -> f64 {
        schedule.share(self.clock.done(step))
    }

    /// Counts an evaluation for the plateau schedule. After more than `patience` evaluations without
    /// improvement the rate is reduced once, as in `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    pub fn record_evaluation(&mut self, better: bool) {
        let schedule = &self.train.schedule;
        if schedule.kind != ScheduleKind::Plateau {
            return;
        }
        self.plateau = if better { 0 } else { self.plateau + 1 };
        if self.plateau > schedule.patience as u64 {
            self.reductions += 1;
            self.plateau = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::run;

    const CLOCK: Clock = Clock { steps_per_epoch: 5, total: 15 };

    #[test]
    fn a_plateau_reduces_the_rate_once_patience_is_exceeded() {
        let run = run("[train.schedule]\nkind = 'plateau'\npatience = 1\nfactor = 0.5");
        let mut rate = RunRate::new(&run.train, CLOCK);
        let peak = rate.at(0);
        let mut reductions = Vec::new();
        for better in [true, false, true, false, false, false] {
            rate.record_evaluation(better);
            reductions.push(rate.reductions);
        }
        assert_eq!((reductions, rate.plateau), (vec![0, 0, 0, 0, 1, 1], 1));
        assert!((rate.at(0) - 0.5 * peak).abs() < 1e-12);
    }

    #[test]
    fn other_schedules_do_not_count_evaluations() {
        let run = run("");
        let mut rate = RunRate::new(&run.train, CLOCK);
        (0..100).for_each(|_| rate.record_evaluation(false));
        assert_eq!((rate.reductions, rate.plateau), (0, 0));
    }
}
