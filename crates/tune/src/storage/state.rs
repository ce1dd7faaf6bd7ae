//! Studies and trials of a journal, replayed line by line.

use std::collections::BTreeMap;

use indexmap::IndexMap;
use serde_json::{Map, Value};

use super::distribution::is_compatible;
use super::operation::{JournalOperation, TrialTemplate};
use super::trial_state::JournalTrialState;
use crate::{ParamDistribution, StudyDirection};

/// Study of a journal.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyRecord {
    /// Name.
    pub name: String,
    /// Direction of each objective.
    pub directions: Vec<StudyDirection>,
    /// Attributes of the user.
    pub user_attrs: Map<String, Value>,
    /// Attributes of the system.
    pub system_attrs: Map<String, Value>,
    /// Indices of its trials in the journal, in the order of their numbers.
    pub trials: Vec<usize>,
    deleted: bool,
}

/// Trial of a journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TrialRecord {
    /// Index in the journal, counted over all of its studies.
    pub id: usize,
    /// Number in its study, from 0.
    pub number: usize,
    /// Index of its study.
    pub study: usize,
    /// State.
    pub state: JournalTrialState,
    /// Parameters: internal representations with their ranges.
    pub params: IndexMap<String, (f64, ParamDistribution)>,
    /// Attributes of the user.
    pub user_attrs: Map<String, Value>,
    /// Attributes of the system.
    pub system_attrs: Map<String, Value>,
    /// Intermediate values by step.
    pub intermediate: BTreeMap<i64, f64>,
    /// Value of each objective; `None` before the end.
    pub values: Option<Vec<f64>>,
    /// Time of the start, ISO 8601.
    pub start: Option<String>,
    /// Time of the end, ISO 8601.
    pub complete: Option<String>,
}

impl TrialRecord {
    /// Largest step with an intermediate value.
    pub fn last_step(&self) -> Option<i64> {
        self.intermediate.keys().next_back().copied()
    }

    /// Value of a parameter, as a user writes it.
    pub fn value(&self, name: &str) -> Option<Value> {
        let (internal, distribution) = self.params.get(name)?;
        Some(distribution.to_external(*internal))
    }
}

/// Replayed journal.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct JournalState {
    studies: Vec<StudyRecord>,
    trials: Vec<TrialRecord>,
}

impl JournalState {
    /// Index of the study with this name.
    pub fn study_index(&self, name: &str) -> Option<usize> {
        self.studies.iter().position(|study| !study.deleted && study.name == name)
    }

    /// Study of an index; `None` if it was deleted.
    pub fn study(&self, index: usize) -> Option<&StudyRecord> {
        self.studies.get(index).filter(|study| !study.deleted)
    }

    /// Number of studies, deleted ones included: the index of the next one.
    pub fn study_count(&self) -> usize {
        self.studies.len()
    }

    /// Names of all studies.
    pub fn study_names(&self) -> impl Iterator<Item = &str> {
        self.studies.iter().filter(|study| !study.deleted).map(|study| study.name.as_str())
    }

    /// Trial of an index.
    pub fn trial(&self, id: usize) -> Option<&TrialRecord> {
        self.trials.get(id)
    }

    /// Trials of a study in the order of their numbers.
    pub fn trials(&self, study: usize) -> impl DoubleEndedIterator<Item = &TrialRecord> {
        let ids = self.study(study).map(|study| study.trials.as_slice()).unwrap_or_default();
        ids.iter().filter_map(|id| self.trials.get(*id))
    }

    /// Index that the next trial gets.
    pub fn next_trial(&self) -> usize {
        self.trials.len()
    }

    /// First study or trial that an operation changes and that no earlier one has created, as a journal whose lines were
    /// removed has it; `None` for a journal that is whole.
    pub fn missing(&self, operation: &JournalOperation) -> Option<String> {
        let (kind, index, known) = match operation {
            JournalOperation::DeleteStudy { study }
            | JournalOperation::StudyAttribute { study, .. }
            | JournalOperation::CreateTrial { study, .. } => ("study", *study, self.studies.len()),
            JournalOperation::Parameter { trial, .. }
            | JournalOperation::State { trial, .. }
            | JournalOperation::Intermediate { trial, .. }
            | JournalOperation::TrialAttribute { trial, .. } => ("trial", *trial, self.trials.len()),
            JournalOperation::CreateStudy { .. } | JournalOperation::Ignored => return None,
        };
        (index >= known)
            .then(|| format!("{kind} {index} does not exist here; a line before this one is missing"))
    }

    /// Applies an operation. `false` if it comes too late, or names what does not exist, and so has no effect.
    pub fn apply(&mut self, operation: JournalOperation) -> bool {
        match operation {
            JournalOperation::CreateStudy { name, directions } => self.create_study(name, directions),
            JournalOperation::DeleteStudy { study } => {
                self.live_study(study).map(|study| study.deleted = true).is_some()
            }
            JournalOperation::StudyAttribute { study, system, key, value } => {
                let Some(study) = self.live_study(study) else { return false };
                let attributes = if system { &mut study.system_attrs } else { &mut study.user_attrs };
                attributes.insert(key, value);
                true
            }
            JournalOperation::CreateTrial { study, start, template } => {
                self.create_trial(study, start, *template)
            }
            JournalOperation::Parameter { trial, name, internal, distribution } => {
                self.set_parameter(trial, name, internal, distribution)
            }
            JournalOperation::State { trial, state, values, time } => {
                self.set_state(trial, state, values, time)
            }
            JournalOperation::Intermediate { trial, step, value } => {
                self.open_trial(trial).map(|trial| trial.intermediate.insert(step, value)).is_some()
            }
            JournalOperation::TrialAttribute { trial, system, key, value } => {
                let Some(trial) = self.open_trial(trial) else { return false };
                let attributes = if system { &mut trial.system_attrs } else { &mut trial.user_attrs };
                attributes.insert(key, value);
                true
            }
            JournalOperation::Ignored => true,
        }
    }

    fn live_study(&mut self, study: usize) -> Option<&mut StudyRecord> {
        self.studies.get_mut(study).filter(|study| !study.deleted)
    }

    /// Trial that is not finished.
    fn open_trial(&mut self, trial: usize) -> Option<&mut TrialRecord> {
        self.trials.get_mut(trial).filter(|trial| !trial.state.is_finished())
    }

    fn create_study(&mut self, name: String, directions: Vec<StudyDirection>) -> bool {
        if self.study_index(&name).is_some() {
            return false;
        }
        let (user_attrs, system_attrs) = (Map::new(), Map::new());
        let deleted = false;
        self.studies.push(StudyRecord {
            name,
            directions,
            user_attrs,
            system_attrs,
            trials: Vec::new(),
            deleted,
        });
        true
    }

    fn create_trial(&mut self, study: usize, start: Option<String>, template: TrialTemplate) -> bool {
        let id = self.trials.len();
        let Some(record) = self.live_study(study) else { return false };
        let number = record.trials.len();
        record.trials.push(id);
        self.trials.push(TrialRecord {
            id,
            number,
            study,
            state: template.state.unwrap_or(JournalTrialState::Running),
            params: template.params,
            user_attrs: template.user_attrs,
            system_attrs: template.system_attrs,
            intermediate: template.intermediate.into_iter().collect(),
            values: template.values,
            start,
            complete: template.complete,
        });
        true
    }

    fn set_parameter(
        &mut self,
        trial: usize,
        name: String,
        internal: f64,
        distribution: ParamDistribution,
    ) -> bool {
        let Some(study) = self.open_trial(trial).map(|trial| trial.study) else { return false };
        let earlier = self.trials(study).find_map(|trial| trial.params.get(&name));
        if earlier.is_some_and(|(_, earlier)| !is_compatible(earlier, &distribution)) {
            return false;
        }
        self.open_trial(trial).map(|trial| trial.params.insert(name, (internal, distribution))).is_some()
    }

    fn set_state(
        &mut self,
        trial: usize,
        state: JournalTrialState,
        values: Option<Vec<f64>>,
        time: Option<String>,
    ) -> bool {
        let Some(trial) = self.open_trial(trial) else { return false };
        // Another worker has claimed it first.
        if state == JournalTrialState::Running && trial.state == JournalTrialState::Running {
            return false;
        }
        match state {
            JournalTrialState::Running => trial.start = time,
            _ if state.is_finished() => trial.complete = time,
            _ => {}
        }
        trial.state = state;
        trial.values = values.or(trial.values.take());
        true
    }
}
