//! Where a run stands: what weights and moments do not say.

use serde::{Deserialize, Serialize};

/// Everything that decides how a run goes on, besides weights and moments.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Steps done.
    pub step: u64,
    /// Epoch under way, from 0.
    pub epoch: u64,
    /// Batches done in it.
    pub batch: u64,
    /// Sum over this epoch's examples of their losses.
    pub loss_sum: f64,
    /// Examples of this epoch so far.
    pub seen: u64,
    /// Best evaluation so far by the valid metric.
    pub best: Option<Best>,
    /// Evaluations since then.
    pub bad_evaluations: u64,
    /// Times that the plateau schedule has lowered the learning rate.
    pub reductions: u64,
    /// Evaluations without improvement since the last of those.
    pub plateau: u64,
    /// Seconds spent in steps.
    pub seconds: f64,
    /// Whether the last epoch is done or patience has run out.
    pub done: bool,
}

/// The best evaluation so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps done.
    pub step: u64,
    /// From 0.
    pub epoch: u64,
    /// The metric there.
    pub value: f64,
}

impl Progress {
    /// Before the first step.
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
        }
    }

    /// Counts an evaluation for the plateau schedule: after more than `patience` of them without
    /// improvement the rate goes down once, as in `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    pub(crate) fn plateau(&mut self, better: bool, patience: u64) {
        self.plateau = if better { 0 } else { self.plateau + 1 };
        if self.plateau > patience {
            self.reductions += 1;
            self.plateau = 0;
        }
    }

    /// Takes in the valid metric of an evaluation; true when it is the best so far.
    pub(crate) fn judge(&mut self, value: f64, larger_is_better: bool, min_delta: f64) -> bool {
        let better = match &self.best {
            None => value.is_finite(),
            Some(best) if larger_is_better => value > best.value + min_delta,
            Some(best) => value < best.value - min_delta,
        };
        if better {
            self.best = Some(Best { step: self.step, epoch: self.epoch, value });
            self.bad_evaluations = 0;
        } else {
            self.bad_evaluations += 1;
        }
        better
    }
}
