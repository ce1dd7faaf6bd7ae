//! Results of a study: the best trial, the Pareto front, trials as samplers see them.

use crate::pareto::pareto_front;
use crate::storage::{JournalTrialState, TrialRecord};
use crate::trial::{StudyDirection, TrialState, TrialView};

/// Trial as samplers see it. One that waits counts as running.
pub fn to_view(trial: &TrialRecord) -> TrialView {
    let state = match trial.state {
        JournalTrialState::Running | JournalTrialState::Waiting => TrialState::Running,
        JournalTrialState::Complete => TrialState::Complete,
        JournalTrialState::Pruned => TrialState::Pruned,
        JournalTrialState::Fail => TrialState::Failed,
    };
    let values = trial.values.clone().filter(|_| state == TrialState::Complete);
    let steps =
        trial.intermediate.iter().filter_map(|(step, value)| Some((u64::try_from(*step).ok()?, *value)));
    TrialView {
        number: trial.number as u64,
        state,
        params: trial.params.iter().map(|(name, (value, _))| (name.clone(), *value)).collect(),
        values: values.unwrap_or_default(),
        intermediate: steps.collect(),
    }
}

/// Complete trial with the best first value; the earliest of several.
pub(super) fn best<'a>(
    trials: impl Iterator<Item = &'a TrialRecord>,
    direction: StudyDirection,
) -> Option<&'a TrialRecord> {
    let loss = |trial: &TrialRecord| trial.values.as_ref()?.first().map(|value| direction.loss(*value));
    let complete = trials.filter(|trial| trial.state == JournalTrialState::Complete);
    let scored = complete.filter_map(|trial| Some((loss(trial).filter(|loss| loss.is_finite())?, trial)));
    scored.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.number.cmp(&b.1.number))).map(|(_, trial)| trial)
}

/// Complete trials that no other one is at least as good as in all objectives and better in one.
pub fn undominated<'a>(trials: &[&'a TrialRecord], directions: &[StudyDirection]) -> Vec<&'a TrialRecord> {
    let scored = trials.iter().filter_map(|trial| Some((to_view(trial).losses(directions)?, *trial)));
    let (losses, trials): (Vec<Vec<f64>>, Vec<&TrialRecord>) = scored.unzip();
    pareto_front(&losses).into_iter().map(|place| trials[place]).collect()
}
