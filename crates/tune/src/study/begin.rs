//! Trials that a study begins with: those of earlier studies and runs, finished or first in the queue.

use serde_json::{Map, Value, json};

use super::Study;
use super::lease::timestamp;
use crate::space::SearchSpace;
use crate::storage::{JournalOperation, JournalTrialState, StudyError, TrialRecord, TrialTemplate};
use crate::trial::ParamValues;

/// Attribute of a trial whose parameters Optuna's `enqueue_trial` has fixed.
pub(super) const FIXED_PARAMS: &str = "fixed_params";
/// System attribute of a trial that another study or run has finished.
const IMPORTED: &str = "cupola:imported";
/// Attribute of a trial with the study or run that its values come from.
const SOURCE: &str = "source";

/// Trial that a study begins with.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlierTrial {
    /// Parameters.
    pub params: ParamValues,
    /// Value of each objective; `None` to try the parameters first.
    pub values: Option<Vec<f64>>,
    /// Study or run that it comes from.
    pub source: String,
}

impl Study {
    /// Adds trials to a study that has none: finished ones, which samplers learn from, and others that are tried first, behind
    /// the parameters `first`. Returns their number; 0 for a study that has begun.
    ///
    /// # Errors
    /// Errors of the journal.
    pub fn begin_with(
        &mut self,
        space: &SearchSpace,
        first: Option<&ParamValues>,
        trials: &[EarlierTrial],
    ) -> Result<usize, StudyError> {
        let study = self.index;
        self.storage.transaction(|state, operations| {
            if trials.is_empty() || state.trials(study).next().is_some() {
                return 0;
            }
            let finished =
                trials.iter().filter_map(|trial| Some(finished(space, trial, trial.values.as_ref()?)));
            let own = first.map(|params| waiting(space, params, None));
            let queued = trials.iter().filter(|trial| trial.values.is_none());
            let queued = queued.map(|trial| waiting(space, &trial.params, Some(&trial.source)));
            for (start, template) in finished.chain(own).chain(queued) {
                operations.push(JournalOperation::CreateTrial { study, start, template: Box::new(template) });
            }
            trials.len()
        })
    }

    /// Number of trials that other studies and runs have finished.
    pub fn imported(&self) -> usize {
        self.trials().into_iter().filter(|trial| is_imported(trial)).count()
    }
}

/// `true` for a trial that another study or run has finished.
pub(super) fn is_imported(trial: &TrialRecord) -> bool {
    trial.system_attrs.contains_key(IMPORTED)
}

fn finished(space: &SearchSpace, trial: &EarlierTrial, values: &[f64]) -> (Option<String>, TrialTemplate) {
    let params = trial
        .params
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), (*value, space.distribution(name)?.clone()))));
    let template = TrialTemplate {
        state: Some(JournalTrialState::Complete),
        values: Some(values.to_vec()),
        complete: Some(timestamp()),
        params: params.collect(),
        user_attrs: source(&trial.source),
        system_attrs: Map::from_iter([(IMPORTED.to_owned(), Value::Bool(true))]),
        intermediate: Vec::new(),
    };
    (Some(timestamp()), template)
}

fn waiting(
    space: &SearchSpace,
    params: &ParamValues,
    from: Option<&String>,
) -> (Option<String>, TrialTemplate) {
    let template = TrialTemplate {
        state: Some(JournalTrialState::Waiting),
        user_attrs: from.map(|from| source(from)).unwrap_or_default(),
        system_attrs: Map::from_iter([(FIXED_PARAMS.to_owned(), json!(space.to_external(params)))]),
        ..TrialTemplate::default()
    };
    (None, template)
}

fn source(text: &str) -> Map<String, Value> {
    Map::from_iter([(SOURCE.to_owned(), text.into())])
}
