//! State of a run apart from weights and optimiser moments.

use serde::{Deserialize, Serialize};

/// State that a run resumes from, thread_ranks with weights and optimiser moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Number of completed steps.
    pub step: u64,
    /// Current epoch, from 0.
    pub epoch: u64,
    /// Number of completed batches of the epoch.
    pub batch: u64,
    /// Sum of the losses of this epoch's examples.
    pub loss_sum: f64,
    /// Number of examples of this epoch so far.
    pub seen: u64,
    /// BestCheckpoint evaluation so far by the metric on the valid split.
    pub best: Option<BestCheckpoint>,
    /// Number of evaluations since the best one.
    pub bad_evaluations: u64,
    /// Number of reductions of the learning rate by the plateau schedule.
    pub reductions: u64,
    /// Number of evaluations without improvement since the last reduction.
    pub plateau: u64,
    /// Total duration of all steps in seconds.
    pub seconds: f64,
    /// `true` if the last epoch is done or training has stopped early.
    pub done: bool,
    /// Scale of the loss; `None` unless activations are `fp16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<LossScale>,
}

/// Dynamic scale of the loss before the backward pass: halved if gradients overflow, doubled after 2,000
/// steps without overflow (Micikevicius et al. 2018, 3.2, with the constants of `torch.amp.GradScaler`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    /// Current factor.
    pub factor: f64,
    /// Number of steps since the last change.
    pub good: u64,
}

impl LossScale {
    /// The scale before the first step.
    pub fn start() -> Self {
        Self { factor: 65_536.0, good: 0 }
    }

    /// Updates the scale after a step. `false` if the factor falls below 1, where overflow has another cause.
    pub(crate) fn after(&mut self, overflowed: bool) -> bool {
        if overflowed {
            *self = Self { factor: self.factor * 0.5, good: 0 };
            return self.factor >= 1.0;
        }
        self.good += 1;
        if self.good == 2000 {
            *self = Self { factor: self.factor * 2.0, good: 0 };
        }
        true
    }
}

/// BestCheckpoint evaluation so far, of whose step the checkpoint is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestCheckpoint {
    /// Number of completed steps.
    pub step: u64,
    /// Epoch, from 0.
    pub epoch: u64,
    /// Value of the metric.
    pub value: f64,
    /// Loss on the valid split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

impl Progress {
    /// The state before the first step.
    pub fn start() -> Self {
        Self {
            step: 0,
            epoch: 0,
            batch: 0,
            loss_sum: 0.0,
            seen: 0,
            best: None,
            bad_evaluations: 0,
            reductions: 0,
            plateau: 0,
            seconds: 0.0,
            done: false,
            scale: None,
        }
    }

    /// Counts an evaluation for the plateau schedule. After more than `patience` evaluations without
    /// improvement the rate is reduced once, as in `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    pub(crate) fn plateau(&mut self, better: bool, patience: u64) {
        self.plateau = if better { 0 } else { self.plateau + 1 };
        if self.plateau > patience {
            self.reductions += 1;
            self.plateau = 0;
        }
    }

    /// Records the metric and the loss of an evaluation on the valid split. `true` if it is the best so far.
    /// Among equal metrics a lower loss is better, but it does not reset the count for early stopping.
    pub(crate) fn record_evaluation(
        &mut self,
        value: f64,
        loss: Option<f64>,
        larger_is_better: bool,
        min_delta: f64,
    ) -> bool {
        let better = match &self.best {
            None => value.is_finite(),
            Some(best) if larger_is_better => value > best.value + min_delta,
            Some(best) => value < best.value - min_delta,
        };
        let lower = |best: &BestCheckpoint| best.loss.zip(loss).is_some_and(|(before, now)| now < before);
        let tie = self.best.as_ref().is_some_and(|best| best.value.total_cmp(&value).is_eq() && lower(best));
        if better || tie {
            self.best = Some(BestCheckpoint { step: self.step, epoch: self.epoch, value, loss });
        }
        self.bad_evaluations = if better { 0 } else { self.bad_evaluations + 1 };
        better || tie
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_equal_metrics_the_lower_loss_is_better_and_patience_goes_on() {
        let mut progress = Progress::start();
        assert!(progress.record_evaluation(0.9, Some(0.5), true, 0.0));
        assert!(progress.record_evaluation(1.0, Some(0.6), true, 0.0));
        assert!(!progress.record_evaluation(1.0, Some(0.7), true, 0.0));
        progress.step = 3;
        assert!(progress.record_evaluation(1.0, Some(0.2), true, 0.0));
        assert!(!progress.record_evaluation(0.99, Some(0.1), true, 0.0));
        assert_eq!((progress.best.as_ref().map(|best| best.step), progress.bad_evaluations), (Some(3), 3));
    }
}
