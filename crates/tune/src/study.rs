//! Studies: trials that several workers take from one journal.
//!
//! A worker claims a trial, reports its intermediate values, and finishes it, each in one transaction of the journal.
//! A claim is a lease: an attribute of the trial that names the worker and a time. The trial of a worker that is gone
//! is claimed again by another one, which finds the run of it in the attributes.

mod begin;
mod claim;
mod lease;
mod results;

use serde_json::Value;

pub use self::begin::EarlierTrial;
pub use self::claim::{Claim, ClaimRequest};
pub use self::lease::Worker;
pub use self::results::{to_view, undominated};

use crate::pruners::{PruneRequest, Pruner};
use crate::storage::{
    JournalOperation, JournalPlace, JournalState, JournalStorage, JournalTrialState, METRIC_NAMES,
    StudyError, StudyRecord, TrialRecord,
};
use crate::trial::{StudyDirection, TrialView};

/// Attribute of a study with the digest of its config.
const CONFIG: &str = "cupola:config";
/// Attribute of a failed trial with the reason.
pub const TRIAL_ERROR: &str = "error";
/// Attribute of a trial with the id of its run.
pub const TRIAL_RUN: &str = "run";

/// Name, objectives and config of a study.
#[derive(Debug, Clone, PartialEq)]
pub struct StudyIdentity {
    /// Name.
    pub name: String,
    /// Direction of each objective.
    pub directions: Vec<StudyDirection>,
    /// Name of each objective.
    pub metrics: Vec<String>,
    /// Digest of everything that trials depend on beside their parameters.
    pub config: String,
}

/// A study in a journal.
#[derive(Debug)]
pub struct Study {
    storage: JournalStorage,
    index: usize,
    identity: StudyIdentity,
    worker: Worker,
}

impl Study {
    /// Opens the study of a journal, or creates it.
    ///
    /// # Errors
    /// [`StudyError::OtherConfig`] if the study began with another config or other objectives; errors of the journal.
    pub fn open(
        place: impl Into<JournalPlace>,
        identity: StudyIdentity,
        worker: Worker,
    ) -> Result<Self, StudyError> {
        let mut storage = JournalStorage::open(place, worker.id())?;
        storage.transaction(|state, operations| match state.study_index(&identity.name) {
            None => create(state, &identity, operations),
            Some(study) => adopt(state, study, &identity, operations),
        })?;
        let index = storage.state().study_index(&identity.name);
        let path = storage.path().to_owned();
        let missing = || StudyError::Missing { path: path.clone(), name: identity.name.clone() };
        let index = index.ok_or_else(missing)?;
        let record = storage.state().study(index).ok_or_else(missing)?;
        let same = record.user_attrs.get(CONFIG).and_then(Value::as_str) == Some(&identity.config);
        if !same || record.directions != identity.directions {
            return Err(StudyError::OtherConfig { name: identity.name });
        }
        Ok(Self { storage, index, identity, worker })
    }

    /// Names of the objectives of a study that exists; `None` if there is none of this name and config.
    ///
    /// # Errors
    /// Errors of the journal.
    pub fn metrics_of(
        place: impl Into<JournalPlace>,
        name: &str,
        config: &str,
    ) -> Result<Option<Vec<String>>, StudyError> {
        let storage = JournalStorage::read_only(place, "")?;
        let state = storage.state();
        let Some(record) = state.study_index(name).and_then(|index| state.study(index)) else {
            return Ok(None);
        };
        if record.user_attrs.get(CONFIG).and_then(Value::as_str) != Some(config) {
            return Ok(None);
        }
        let names = record.system_attrs.contains_key(METRIC_NAMES);
        Ok(state.study_index(name).filter(|_| names).map(|index| state.metric_names(index)))
    }

    /// Sets an attribute of the study that its users see.
    ///
    /// # Errors
    /// Errors of the journal.
    pub fn set_study_attribute(&mut self, key: &str, value: Value) -> Result<(), StudyError> {
        let (study, key) = (self.index, key.to_owned());
        self.storage.transaction(|_, operations| {
            operations.push(JournalOperation::StudyAttribute { study, system: false, key, value });
        })
    }

    /// Name, objectives and digest.
    pub fn identity(&self) -> &StudyIdentity {
        &self.identity
    }

    /// Reads what other workers have written.
    ///
    /// # Errors
    /// Errors of the journal.
    pub fn refresh(&mut self) -> Result<(), StudyError> {
        self.storage.refresh()
    }

    /// Attributes of the study.
    pub fn record(&self) -> Option<&StudyRecord> {
        self.storage.state().study(self.index)
    }

    /// Trials in the order of their numbers, as of the last read.
    pub fn trials(&self) -> Vec<&TrialRecord> {
        self.storage.state().trials(self.index).collect()
    }

    /// Trials as samplers see them.
    pub fn history(&self) -> Vec<TrialView> {
        self.trials().into_iter().map(to_view).collect()
    }

    /// Complete trial with the best value of the first objective; `None` before the first one.
    pub fn best(&self) -> Option<&TrialRecord> {
        results::best(self.storage.state().trials(self.index), self.identity.directions.first().copied()?)
    }

    /// Records a value of the trial at a step, and asks the pruner. `true` ends the trial.
    ///
    /// # Errors
    /// [`StudyError::LostTrial`] if another worker has taken the trial; errors of the journal.
    pub fn report(
        &mut self,
        trial: usize,
        step: i64,
        value: f64,
        pruner: &Pruner,
    ) -> Result<bool, StudyError> {
        let direction = self.identity.directions.first().copied().unwrap_or(StudyDirection::Minimize);
        let single = self.identity.directions.len() == 1;
        let name = self.identity.name.clone();
        let study = self.index;
        self.update(trial, |state, own, operations| {
            operations.push(JournalOperation::Intermediate { trial, step, value });
            if !single {
                return false;
            }
            let mut current = own.clone();
            current.intermediate.insert(step, value);
            let trials: Vec<&TrialRecord> = state.trials(study).collect();
            let request = PruneRequest { study: &name, direction, trials: &trials, trial: &current };
            let decision = pruner.decide(&request);
            for (key, value) in decision.rungs {
                operations.push(JournalOperation::TrialAttribute {
                    trial,
                    system: true,
                    key,
                    value: value.into(),
                });
            }
            decision.prune
        })
    }

    /// Renews the lease of a trial.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn heartbeat(&mut self, trial: usize) -> Result<(), StudyError> {
        let lease = self.worker.lease();
        self.update(trial, |_, _, operations| operations.push(lease.operation(trial)))
    }

    /// Sets an attribute that a user of the study sees.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn set_attribute(&mut self, trial: usize, key: &str, value: Value) -> Result<(), StudyError> {
        let key = key.to_owned();
        self.update(trial, |_, _, operations| {
            operations.push(JournalOperation::TrialAttribute { trial, system: false, key, value });
        })
    }

    /// Ends a trial with the value of each objective.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn complete(&mut self, trial: usize, values: Vec<f64>) -> Result<(), StudyError> {
        self.end(trial, JournalTrialState::Complete, Some(values))
    }

    /// Ends a trial that the pruner has stopped, with its last value.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn prune(&mut self, trial: usize) -> Result<(), StudyError> {
        self.update(trial, |_, own, operations| {
            let last = own.intermediate.values().next_back().filter(|value| !value.is_nan());
            operations.push(ended(trial, JournalTrialState::Pruned, last.map(|value| vec![*value])));
        })
    }

    /// Ends a trial that has failed.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn fail(&mut self, trial: usize, reason: &str) -> Result<(), StudyError> {
        self.set_attribute(trial, TRIAL_ERROR, reason.into())?;
        self.end(trial, JournalTrialState::Fail, None)
    }

    /// Gives a trial back, so that any worker continues it.
    ///
    /// # Errors
    /// As [`Self::report`].
    pub fn release(&mut self, trial: usize) -> Result<(), StudyError> {
        let state = JournalTrialState::Waiting;
        self.update(trial, |_, _, operations| {
            operations.push(JournalOperation::State { trial, state, values: None, time: None });
        })
    }

    fn end(
        &mut self,
        trial: usize,
        state: JournalTrialState,
        values: Option<Vec<f64>>,
    ) -> Result<(), StudyError> {
        self.update(trial, |_, _, operations| operations.push(ended(trial, state, values)))
    }

    /// Changes a trial that this worker holds.
    fn update<T>(
        &mut self,
        trial: usize,
        change: impl FnOnce(&JournalState, &TrialRecord, &mut Vec<JournalOperation>) -> T,
    ) -> Result<T, StudyError> {
        let worker = self.worker.id().to_owned();
        let changed = self.storage.transaction(|state, operations| {
            let own = state.trial(trial).filter(|record| {
                record.state == JournalTrialState::Running
                    && lease::holder(record).as_deref() == Some(&worker)
            });
            own.map(|own| change(state, own, operations))
        })?;
        let number = self.storage.state().trial(trial).map_or(trial, |record| record.number);
        changed.ok_or(StudyError::LostTrial { number })
    }
}

fn ended(trial: usize, state: JournalTrialState, values: Option<Vec<f64>>) -> JournalOperation {
    JournalOperation::State { trial, state, values, time: Some(lease::timestamp()) }
}

fn create(state: &JournalState, identity: &StudyIdentity, operations: &mut Vec<JournalOperation>) {
    let study = state.study_count();
    operations.push(JournalOperation::CreateStudy {
        name: identity.name.clone(),
        directions: identity.directions.clone(),
    });
    attributes(study, identity, operations);
}

/// Marks a study that another program has created, or whose creation was cut short.
fn adopt(
    state: &JournalState,
    study: usize,
    identity: &StudyIdentity,
    operations: &mut Vec<JournalOperation>,
) {
    if state.study(study).is_some_and(|record| !record.user_attrs.contains_key(CONFIG)) {
        attributes(study, identity, operations);
    }
}

fn attributes(study: usize, identity: &StudyIdentity, operations: &mut Vec<JournalOperation>) {
    let attribute = |system, key: &str, value: Value| JournalOperation::StudyAttribute {
        study,
        system,
        key: key.to_owned(),
        value,
    };
    operations.push(attribute(true, METRIC_NAMES, identity.metrics.clone().into()));
    operations.push(attribute(false, CONFIG, identity.config.clone().into()));
}

#[cfg(test)]
mod tests;
