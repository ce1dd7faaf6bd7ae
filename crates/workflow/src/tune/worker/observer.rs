//! Observer of a trial: reports the metric of each epoch to the study, and stops the trial where the study asks for it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use cupola_train::{Event, MetricValues};
use cupola_tune::{Pruner, Study, StudyError, TRIAL_RUN, TrialRecord};

use crate::event::{Observer, WorkflowEvent};
use crate::train::StopSignal;

/// Observer of one trial. The training thread and the heartbeat share it.
pub(super) struct TrialObserver<'a> {
    pub study: &'a Mutex<Study>,
    pub trial: &'a TrialRecord,
    pub pruner: &'a Pruner,
    /// Metric that is reported.
    pub metric: &'static str,
    /// Signal of the trial alone.
    pub stop: StopSignal,
    pub state: Mutex<TrialFindings>,
}

/// Findings about a trial that has ended.
#[derive(Default)]
pub(super) struct TrialFindings {
    /// The pruner has ended the trial.
    pub pruned: bool,
    /// First failure of the study's journal.
    pub failure: Option<StudyError>,
    /// Metrics of the last evaluation in this epoch.
    last: Option<f64>,
    /// All metrics of the best evaluation.
    pub best: MetricValues,
}

pub(in crate::tune) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl TrialObserver<'_> {
    /// Keeps a failure of the journal, which ends the trial.
    pub fn failed(&self, error: StudyError) {
        locked(&self.state).failure.get_or_insert(error);
        self.stop.request();
    }

    fn report(&self, epoch: u64, value: f64) {
        let step = i64::try_from(epoch).unwrap_or(i64::MAX);
        match locked(self.study).report(self.trial.id, step, value, self.pruner) {
            Ok(true) => {
                locked(&self.state).pruned = true;
                self.stop.request();
            }
            Ok(false) => {}
            Err(error) => self.failed(error),
        }
    }

    /// Value of the metric in an evaluation; NaN where it is undefined, `None` without an evaluation.
    fn value(&self, metrics: &MetricValues) -> Option<f64> {
        (!metrics.is_empty())
            .then(|| metrics.get(self.metric).and_then(serde_json::Value::as_f64).unwrap_or(f64::NAN))
    }

    fn training(&self, event: &Event) {
        match event {
            Event::Evaluation { valid, best, .. } => {
                let mut state = locked(&self.state);
                state.last = self.value(valid);
                if *best {
                    state.best.clone_from(valid);
                }
            }
            Event::Epoch { epoch, valid, best, .. } => {
                let value = {
                    let mut state = locked(&self.state);
                    if *best && !valid.is_empty() {
                        state.best.clone_from(valid);
                    }
                    self.value(valid).or(state.last.take())
                };
                if let Some(value) = value {
                    self.report(*epoch, value);
                }
            }
            _ => {}
        }
    }
}

impl Observer for TrialObserver<'_> {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        match event {
            WorkflowEvent::RunStarted { record, .. } => {
                let known = self.trial.user_attrs.get(TRIAL_RUN).and_then(serde_json::Value::as_str);
                if known != Some(&record.id) {
                    let set =
                        locked(self.study).set_attribute(self.trial.id, TRIAL_RUN, record.id.clone().into());
                    set.unwrap_or_else(|error| self.failed(error));
                }
            }
            WorkflowEvent::Training(event) => self.training(event),
            _ => {}
        }
    }
}
