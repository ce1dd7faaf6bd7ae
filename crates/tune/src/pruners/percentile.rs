//! Percentile stopping rule, as Optuna's `PercentilePruner`.

use super::{PruneRequest, best};
use crate::storage::JournalTrialState;
use crate::trial::StudyDirection;

/// Settings of the rule; see [`super::Pruner::Percentile`].
pub(super) struct PercentileRule {
    pub percentile: f64,
    pub startup_trials: usize,
    pub warmup_steps: i64,
    pub interval_steps: i64,
    pub min_trials: usize,
}

impl PercentileRule {
    pub fn prunes(&self, request: &PruneRequest<'_>) -> bool {
        let complete: Vec<_> =
            request.trials.iter().filter(|trial| trial.state == JournalTrialState::Complete).collect();
        let Some(step) = request.trial.last_step() else { return false };
        if complete.is_empty() || complete.len() < self.startup_trials || step < self.warmup_steps {
            return false;
        }
        if !self.is_first_of_interval(step, request.trial.intermediate.keys().copied()) {
            return false;
        }
        let values: Vec<f64> = request.trial.intermediate.values().copied().collect();
        let own = best(&values, request.direction);
        if own.is_nan() {
            return true;
        }
        let others: Vec<f64> =
            complete.iter().filter_map(|trial| trial.intermediate.get(&step).copied()).collect();
        if others.len() < self.min_trials {
            return false;
        }
        match request.direction {
            StudyDirection::Minimize => own > nan_percentile(others, self.percentile),
            StudyDirection::Maximize => own < nan_percentile(others, 100.0 - self.percentile),
        }
    }

    /// `true` if no value was reported since the last step at which a decision was due.
    fn is_first_of_interval(&self, step: i64, steps: impl Iterator<Item = i64>) -> bool {
        let due = (step - self.warmup_steps).div_euclid(self.interval_steps) * self.interval_steps
            + self.warmup_steps;
        let earlier = steps.filter(|other| *other != step).fold(-1, i64::max);
        earlier < due
    }
}

/// Percentile of the values that are numbers, interpolated in the order of operations of numpy's `nanpercentile`; NaN
/// without any.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn nan_percentile(mut values: Vec<f64>, percentile: f64) -> f64 {
    values.retain(|value| !value.is_nan());
    values.sort_by(f64::total_cmp);
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let at = percentile / 100.0 * last as f64;
    let below = at.floor() as usize;
    let (low, high) = (values[below.min(last)], values[(below + 1).min(last)]);
    let part = at - at.floor();
    let (whole, rest) = (high - low, 1.0 - part);
    if part >= 0.5 { high - whole * rest } else { low + whole * part }
}
