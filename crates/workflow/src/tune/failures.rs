//! Reason for which no trial of a study works: the config, or values of the space.

use cupola_tune::{JournalTrialState, TRIAL_ERROR, TrialRecord};
use serde_json::Value;

use super::plan::StudyPlan;
use crate::error::Error;
use crate::session::Session;

/// Error of a study whose ended trials have all failed. It names the keys of the space whose values the config refuses, or all
/// keys where the trials failed later.
pub(super) fn all_failed(plan: &StudyPlan<'_>, session: &Session<'_>, trials: &[&TrialRecord]) -> Error {
    let failed: Vec<&&TrialRecord> =
        trials.iter().filter(|trial| trial.state == JournalTrialState::Fail).collect();
    let last = failed.last();
    let reason = last.and_then(|trial| trial.user_attrs.get(TRIAL_ERROR)).and_then(Value::as_str);
    let why = format!(
        "all {} trials failed, the last one with: {}",
        failed.len(),
        reason.unwrap_or("an unknown error").trim_end_matches('.')
    );
    // The first trial has the values of the config, where they lie in the space.
    let remedy = if plan.first.is_some() && failed.iter().any(|trial| trial.number == 0) {
        "correct the config until `cupola train` works with it, and give another name with --study".to_owned()
    } else {
        let refused: Vec<String> = last.map(|trial| refused_keys(plan, session, trial)).unwrap_or_default();
        let keys = if refused.is_empty() { plan.space.params().keys().cloned().collect() } else { refused };
        let keys: Vec<String> = keys.iter().map(|key| format!("`tune.space.{key}`")).collect();
        let each = if keys.len() == 1 { "the values of" } else { "the values of one of" };
        format!("correct {each} {}, and give another name with --study", keys.join(", "))
    };
    Error::Tune { study: plan.name.clone(), why, remedy }
}

/// Keys of a failed trial without which its config is valid.
fn refused_keys(plan: &StudyPlan<'_>, session: &Session<'_>, trial: &TrialRecord) -> Vec<String> {
    if session.run_config(&plan.config(trial)).is_ok() {
        return Vec::new();
    }
    let is_valid_without = |name: &&String| {
        let mut others = trial.clone();
        others.params.shift_remove(name.as_str());
        session.run_config(&plan.config(&others)).is_ok()
    };
    trial.params.keys().filter(is_valid_without).cloned().collect()
}
