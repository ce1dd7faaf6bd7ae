//! Claims: the next trial of a worker.

use indexmap::IndexMap;
use serde_json::Value;

use super::begin::{FIXED_PARAMS, is_imported};
use super::lease::{TrialLease, holder, timestamp};
use super::results::to_view;
use super::{Study, Worker};
use crate::TuneError;
use crate::samplers::{SampleRequest, Sampler};
use crate::space::SearchSpace;
use crate::storage::{
    JournalOperation, JournalState, JournalTrialState, StudyError, TrialRecord, TrialTemplate,
};
use crate::trial::{ParamValues, StudyDirection, TrialView};

/// Terms of a claim.
#[derive(Clone, Copy)]
pub struct ClaimRequest<'a> {
    /// Space of the study.
    pub space: &'a SearchSpace,
    /// Sampler of the study.
    pub sampler: &'a dyn Sampler,
    /// Seed of the study.
    pub seed: u64,
    /// Number of trials of the study, of all states but those that it began with as finished.
    pub trials: usize,
    /// Parameters of the first trial; `None` to sample them too.
    pub first: Option<&'a ParamValues>,
}

/// Answer to a claim.
#[derive(Debug)]
pub enum Claim {
    /// A trial that now belongs to the worker.
    Trial(Box<TrialRecord>),
    /// All trials of the budget are begun, and other workers have not finished theirs.
    Busy,
    /// All trials of the budget are finished.
    Done,
}

impl Study {
    /// Claims a trial: one that waits, else one whose worker is gone, else a new one.
    ///
    /// # Errors
    /// Errors of the sampler and of the journal.
    pub fn claim(&mut self, request: &ClaimRequest<'_>) -> Result<Claim, StudyError> {
        let (study, worker, directions) = (self.index, &self.worker, &self.identity.directions);
        let claimed = self.storage.transaction(|state, operations| {
            let claim = NextTrial { state, study, worker, directions, request };
            claim.begin(operations)
        })??;
        Ok(match claimed {
            Some(id) => {
                let record = self.storage.state().trial(id).cloned();
                Claim::Trial(Box::new(record.ok_or(StudyError::LostTrial { number: id })?))
            }
            None if self.trials().into_iter().any(is_leased) => Claim::Busy,
            None => Claim::Done,
        })
    }
}

/// One look at the journal for the next trial.
struct NextTrial<'a> {
    state: &'a JournalState,
    study: usize,
    worker: &'a Worker,
    directions: &'a [StudyDirection],
    request: &'a ClaimRequest<'a>,
}

impl NextTrial<'_> {
    /// Index of the trial that the operations claim.
    fn begin(&self, operations: &mut Vec<JournalOperation>) -> Result<Option<usize>, TuneError> {
        let mut trials = self.state.trials(self.study);
        let lease = self.worker.lease();
        if let Some(waiting) = trials.find(|trial| trial.state == JournalTrialState::Waiting) {
            self.take(waiting, &lease, operations)?;
            return Ok(Some(waiting.id));
        }
        let abandoned = |trial: &&TrialRecord| {
            trial.state == JournalTrialState::Running && self.worker.is_abandoned(trial)
        };
        if let Some(abandoned) = self.state.trials(self.study).find(abandoned) {
            operations.push(state_of(abandoned.id, JournalTrialState::Waiting));
            self.take(abandoned, &lease, operations)?;
            return Ok(Some(abandoned.id));
        }
        let number = self.state.trials(self.study).count();
        let imported = self.state.trials(self.study).filter(|trial| is_imported(trial)).count();
        if number - imported >= self.request.trials {
            return Ok(None);
        }
        let params = match self.request.first.filter(|_| number == 0) {
            Some(first) => first.clone(),
            None => self.sample(number)?,
        };
        let params = params.into_iter().filter_map(|(name, value)| {
            let distribution = self.request.space.distribution(&name)?.clone();
            Some((name, (value, distribution)))
        });
        let template = TrialTemplate {
            params: params.collect(),
            system_attrs: [lease.entry()].into_iter().collect(),
            ..TrialTemplate::default()
        };
        let (study, start) = (self.study, Some(timestamp()));
        operations.push(JournalOperation::CreateTrial { study, start, template: Box::new(template) });
        Ok(Some(self.state.next_trial()))
    }

    /// Claims an existing trial. The lease comes before the state: a claim that is cut short leaves a trial that waits.
    fn take(
        &self,
        trial: &TrialRecord,
        lease: &TrialLease,
        operations: &mut Vec<JournalOperation>,
    ) -> Result<(), TuneError> {
        operations.push(lease.operation(trial.id));
        if trial.params.is_empty() {
            for (name, internal) in self.completed(trial)? {
                let Some(distribution) = self.request.space.distribution(&name).cloned() else { continue };
                operations.push(JournalOperation::Parameter {
                    trial: trial.id,
                    name,
                    internal,
                    distribution,
                });
            }
        }
        operations.push(state_of(trial.id, JournalTrialState::Running));
        Ok(())
    }

    fn sample(&self, number: usize) -> Result<ParamValues, TuneError> {
        let history: Vec<TrialView> = self.state.trials(self.study).map(to_view).collect();
        self.request.sampler.sample(&SampleRequest {
            space: self.request.space,
            directions: self.directions,
            history: &history,
            trial: number as u64,
            seed: self.request.seed,
        })
    }

    /// Parameters of a trial of the queue: those that are fixed, and samples of the others.
    fn completed(&self, trial: &TrialRecord) -> Result<ParamValues, TuneError> {
        let sampled = self.sample(trial.number)?;
        let none = IndexMap::<String, Value>::new();
        let fixed: IndexMap<String, Value> =
            match trial.system_attrs.get(FIXED_PARAMS).and_then(Value::as_object) {
                Some(fixed) => fixed.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
                None => none,
            };
        let space = self.request.space;
        let mut values = ParamValues::new();
        for (name, param) in space.params() {
            if space.is_active(name, &values) {
                let given = fixed.get(name).and_then(|value| param.distribution.to_internal(value));
                let value = given.or_else(|| sampled.get(name).copied());
                values.insert(name.clone(), value.unwrap_or_else(|| param.distribution.from_unit(0.5)));
            }
        }
        Ok(values)
    }
}

/// `true` for a trial that one of our workers trains. Those of other programs are not waited for.
fn is_leased(trial: &TrialRecord) -> bool {
    !trial.state.is_finished() && holder(trial).is_some()
}

fn state_of(trial: usize, state: JournalTrialState) -> JournalOperation {
    let time = (state == JournalTrialState::Running).then(timestamp);
    JournalOperation::State { trial, state, values: None, time }
}
