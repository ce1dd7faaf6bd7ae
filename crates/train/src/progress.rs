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
    /// What the loss is multiplied with before the backward pass, where activations are `fp16`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<LossScale>,
}

/// The loss's scale: halved when gradients overflow, doubled after a while without (Micikevicius et al.
/// 2018, 3.2; the numbers are those of `torch.amp.GradScaler`).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct LossScale {
    /// The factor.
    pub factor: f64,
    /// Steps since it has changed.
    pub good: u64,
}

impl LossScale {
    /// Before the first step.
    pub fn start() -> Self {
        Self { factor: 65_536.0, good: 0 }
    }

    /// After a step; `false` where halving it once more would help nothing.
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

/// The best evaluation so far.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Steps done.
    pub step: u64,
    /// From 0.
    pub epoch: u64,
    /// The metric there.
    pub value: f64,
    /// The loss there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
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
            scale: None,
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

    /// Takes in the valid metric and loss of an evaluation; true when it is the best so far. Of equal
    /// metrics the lower loss is better, though patience does not grow by it.
    pub(crate) fn judge(
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
        let lower = |best: &Best| best.loss.zip(loss).is_some_and(|(before, now)| now < before);
        let tie = self.best.as_ref().is_some_and(|best| best.value.total_cmp(&value).is_eq() && lower(best));
        if better || tie {
            self.best = Some(Best { step: self.step, epoch: self.epoch, value, loss });
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
        assert!(progress.judge(0.9, Some(0.5), true, 0.0));
        assert!(progress.judge(1.0, Some(0.6), true, 0.0));
        assert!(!progress.judge(1.0, Some(0.7), true, 0.0));
        progress.step = 3;
        assert!(progress.judge(1.0, Some(0.2), true, 0.0));
        assert!(!progress.judge(0.99, Some(0.1), true, 0.0));
        assert_eq!((progress.best.as_ref().map(|best| best.step), progress.bad_evaluations), (Some(3), 3));
    }
}
