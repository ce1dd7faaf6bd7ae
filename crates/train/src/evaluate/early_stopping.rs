//! Best evaluation of a run, and its end after evaluations without improvement.

use cupola_spec::{Goal, Train};
use serde::{Deserialize, Serialize};

/// Best evaluation so far, whose checkpoint is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BestCheckpoint {
    /// Number of completed steps.
    pub step: u64,
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// Value of the metric.
    pub value: f64,
    /// Loss on the valid split.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
}

/// Early stopping: compares each evaluation with the best one and counts those without improvement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct EarlyStopping {
    /// Number of evaluations without improvement that ends training; 0 for no limit.
    patience: u64,
    /// Smallest change of the metric that counts as an improvement.
    min_delta: f64,
    larger_is_better: bool,
    /// Best evaluation so far; `None` before the first one.
    pub best: Option<BestCheckpoint>,
    /// Number of evaluations since the last improvement.
    pub bad_evaluations: u64,
}

impl EarlyStopping {
    /// The state before the first evaluation.
    pub fn new(train: &Train, goal: Goal) -> Self {
        Self {
            patience: train.early_stop.patience as u64,
            min_delta: train.early_stop.min_delta,
            larger_is_better: goal.larger_is_better(),
            best: None,
            bad_evaluations: 0,
        }
    }

    /// Records an evaluation. `true` if it is the best so far. Among equal metrics a lower loss is better, but
    /// it does not reset the count of evaluations without improvement.
    pub fn record(&mut self, found: BestCheckpoint) -> bool {
        let better = match &self.best {
            _ if !found.value.is_finite() => false,
            None => true,
            Some(best) if self.larger_is_better => found.value > best.value + self.min_delta,
            Some(best) => found.value < best.value - self.min_delta,
        };
        let lower_loss =
            |best: &BestCheckpoint| best.loss.zip(found.loss).is_some_and(|(before, now)| now < before);
        let tie = self
            .best
            .as_ref()
            .is_some_and(|best| best.value.total_cmp(&found.value).is_eq() && lower_loss(best));
        if better || tie {
            self.best = Some(found);
        }
        self.bad_evaluations = if better { 0 } else { self.bad_evaluations + 1 };
        better || tie
    }

    /// `true` if training should stop.
    pub fn out_of_patience(&self) -> bool {
        self.patience > 0 && self.bad_evaluations >= self.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn early_stopping(patience: u64, min_delta: f64, larger_is_better: bool) -> EarlyStopping {
        EarlyStopping { patience, min_delta, larger_is_better, best: None, bad_evaluations: 0 }
    }

    fn evaluation(step: u64, value: f64, loss: Option<f64>) -> BestCheckpoint {
        BestCheckpoint { step, epoch: 0, value, loss }
    }

    #[test]
    fn of_equal_metrics_the_lower_loss_is_better_and_patience_goes_on() {
        let mut stopping = early_stopping(0, 0.0, true);
        assert!(stopping.record(evaluation(0, 0.9, Some(0.5))));
        assert!(stopping.record(evaluation(0, 1.0, Some(0.6))));
        assert!(!stopping.record(evaluation(0, 1.0, Some(0.7))));
        assert!(stopping.record(evaluation(3, 1.0, Some(0.2))));
        assert!(!stopping.record(evaluation(3, 0.99, Some(0.1))));
        assert_eq!((stopping.best.as_ref().map(|best| best.step), stopping.bad_evaluations), (Some(3), 3));
        assert!(!stopping.out_of_patience(), "a patience of 0 never ends a run");
    }

    #[test]
    fn patience_ends_after_evaluations_that_improve_by_less_than_min_delta() {
        let mut stopping = early_stopping(2, 0.1, false);
        assert!(!stopping.record(evaluation(0, f64::NAN, None)), "the first value must be finite");
        assert!(stopping.record(evaluation(1, 1.0, None)));
        assert!(
            !stopping.record(evaluation(2, f64::NEG_INFINITY, Some(0.1))),
            "nor is one that is not finite"
        );
        assert_eq!(stopping.bad_evaluations, 1);
        assert!(stopping.record(evaluation(1, 0.8, None)));
        stopping.best = Some(evaluation(1, 1.0, None));
        assert!(!stopping.record(evaluation(2, 0.95, None)));
        assert!(!stopping.out_of_patience());
        assert!(!stopping.record(evaluation(3, 0.92, None)));
        assert!(stopping.out_of_patience());
        assert!(stopping.record(evaluation(4, 0.8, None)));
        assert!(!stopping.out_of_patience());
        assert_eq!(stopping.best, Some(evaluation(4, 0.8, None)));
    }
}
