//! Pruners: whether a trial ends early, as a function of its intermediate values and those of the other trials.
//!
//! Each follows the pruner of the same name in Optuna 5 and decides as it does; a test compares the decisions on a
//! study that Optuna has pruned.

mod halving;
mod percentile;

use crate::storage::TrialRecord;
use crate::trial::StudyDirection;

/// Rule by which trials end early.
#[derive(Debug, Clone, PartialEq)]
pub enum Pruner {
    /// Trials run to their end.
    None,
    /// Median stopping rule (Golovin et al. 2017) and its generalisation to other percentiles: a trial ends if its best
    /// value so far is worse than this percentile of the complete trials at the same step.
    Percentile {
        /// Percentage of the trials to keep; 50 for the median.
        percentile: f64,
        /// Number of complete trials before the first one is pruned.
        startup_trials: usize,
        /// Step before which no trial is pruned.
        warmup_steps: i64,
        /// Number of steps between two decisions.
        interval_steps: i64,
        /// Number of values at a step that a decision requires.
        min_trials: usize,
    },
    /// Asynchronous successive halving (Li et al. 2020).
    Halving {
        /// Step of the first rung; `None` for a hundredth of the steps of the first complete trial.
        min_resource: Option<i64>,
        /// Share of the trials that a rung ends: all but one of this many.
        reduction_factor: i64,
        /// Number of rungs that are left out at the beginning.
        min_early_stopping_rate: u32,
    },
    /// Hyperband (Li et al. 2018): brackets of successive halving with a first rung each, over which trials are spread
    /// by a hash of their number.
    Hyperband {
        /// Step of the first rung of the first bracket.
        min_resource: i64,
        /// Steps of a whole trial; `None` for those of the first complete trial.
        max_resource: Option<i64>,
        /// Share of the trials that a rung ends: all but one of this many.
        reduction_factor: i64,
    },
    /// A trial ends if its values have not improved over the last steps.
    Patience {
        /// Number of steps without an improvement.
        patience: usize,
        /// Smallest improvement.
        min_delta: f64,
        /// Pruner that has to agree; `None` to decide alone.
        inner: Option<Box<Pruner>>,
    },
}

/// Study that a pruner looks at.
#[derive(Debug, Clone, Copy)]
pub struct PruneRequest<'a> {
    /// Name of the study, which Hyperband hashes.
    pub study: &'a str,
    /// Direction of its objective.
    pub direction: StudyDirection,
    /// All trials of the study in the order of their numbers.
    pub trials: &'a [&'a TrialRecord],
    /// The trial with all of its intermediate values.
    pub trial: &'a TrialRecord,
}

/// Decision of a pruner.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct PruneDecision {
    /// `true` if the trial ends.
    pub prune: bool,
    /// System attributes of the trial that the pruner compares later trials with: rungs and the values there.
    pub rungs: Vec<(String, f64)>,
}

impl PruneDecision {
    fn of(prune: bool) -> Self {
        Self { prune, rungs: Vec::new() }
    }
}

impl Pruner {
    /// Optuna's `MedianPruner` with its defaults.
    pub fn median() -> Self {
        Self::percentile(50.0)
    }

    /// Optuna's `PercentilePruner` with its defaults.
    pub fn percentile(percentile: f64) -> Self {
        Self::Percentile { percentile, startup_trials: 5, warmup_steps: 0, interval_steps: 1, min_trials: 1 }
    }

    /// Optuna's `SuccessiveHalvingPruner` with its defaults.
    pub fn halving() -> Self {
        Self::Halving { min_resource: None, reduction_factor: 4, min_early_stopping_rate: 0 }
    }

    /// Decides about a trial after it has reported a value.
    pub fn decide(&self, request: &PruneRequest<'_>) -> PruneDecision {
        match self {
            Self::None => PruneDecision::default(),
            Self::Percentile { percentile, startup_trials, warmup_steps, interval_steps, min_trials } => {
                let rule = percentile::PercentileRule {
                    percentile: *percentile,
                    startup_trials: *startup_trials,
                    warmup_steps: *warmup_steps,
                    interval_steps: *interval_steps,
                    min_trials: *min_trials,
                };
                PruneDecision::of(rule.prunes(request))
            }
            Self::Halving { min_resource, reduction_factor, min_early_stopping_rate } => {
                let (factor, rate) = (*reduction_factor, *min_early_stopping_rate);
                halving::Rungs { min_resource: *min_resource, factor, rate }.decide(request)
            }
            Self::Hyperband { min_resource, max_resource, reduction_factor } => {
                let first = halving::first_complete_steps(request.trials).map(|steps| steps + 1);
                max_resource.or(first).map_or_else(PruneDecision::default, |max_resource| {
                    halving::hyperband(request, *min_resource, max_resource, *reduction_factor)
                })
            }
            Self::Patience { patience, min_delta, inner } => {
                if !out_of_patience(request, *patience, *min_delta) {
                    return PruneDecision::default();
                }
                inner.as_ref().map_or_else(|| PruneDecision::of(true), |inner| inner.decide(request))
            }
        }
    }
}

/// `true` if the best of the last `patience + 1` values is worse than the best before them.
fn out_of_patience(request: &PruneRequest<'_>, patience: usize, min_delta: f64) -> bool {
    let values: Vec<f64> = request.trial.intermediate.values().copied().collect();
    if values.len() <= patience + 1 {
        return false;
    }
    let (before, after) = values.split_at(values.len() - patience - 1);
    match request.direction {
        StudyDirection::Minimize => {
            best(before, request.direction) + min_delta < best(after, request.direction)
        }
        StudyDirection::Maximize => {
            best(before, request.direction) - min_delta > best(after, request.direction)
        }
    }
}

/// Best of the values that are numbers; NaN without any.
fn best(values: &[f64], direction: StudyDirection) -> f64 {
    let pick = match direction {
        StudyDirection::Minimize => f64::min,
        StudyDirection::Maximize => f64::max,
    };
    values.iter().copied().fold(f64::NAN, pick)
}

#[cfg(test)]
mod tests;
