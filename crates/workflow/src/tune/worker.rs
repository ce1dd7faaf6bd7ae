//! A worker: claims trials and trains them.

pub(super) mod observer;

use std::sync::{Condvar, Mutex};
use std::time::{Duration, Instant};

use cupola_registry::RunFolder;
use cupola_spec::TuneMetric;
use cupola_tune::{
    Claim, ClaimRequest, JournalTrialState, Study, StudyError, TRIAL_RUN, TrialRecord, TuneError, Worker,
};
use serde_json::{Map, Value};

use self::observer::{TrialObserver, locked};
use super::plan::StudyPlan;
use super::{StudyEnd, best, failures};
use crate::data::kept::KeptData;
use crate::error::{Error, message_and_hint};
use crate::event::{TrialProgress, WorkflowEvent};
use crate::session::Session;
use crate::train::{StopSignal, TrainJob, TrainedRun, TrialEnd, TrialOutcome};

/// Interval at which a worker without a trial looks for one.
const POLL: Duration = Duration::from_millis(500);
/// Interval at which a stop of the study reaches a trial.
const LOOK: Duration = Duration::from_millis(200);
/// Number of failures from the beginning that end a study: its config fails, not its values.
const FAILURES: usize = 3;

/// Process that trains trials of a study.
pub(super) struct StudyWorker<'a> {
    plan: &'a StudyPlan<'a>,
    session: &'a Session<'a>,
    stop: &'a StopSignal,
    deadline: Option<Instant>,
    study: Mutex<Study>,
    /// Data of the latest trial. Most trials differ only in keys that the examples do not depend on.
    data: Mutex<KeptData>,
}

impl<'a> StudyWorker<'a> {
    pub fn new(
        plan: &'a StudyPlan<'a>,
        session: &'a Session<'a>,
        stop: &'a StopSignal,
        deadline: Option<Instant>,
    ) -> Result<Self, Error> {
        let study = Mutex::new(plan.open()?);
        Ok(Self { plan, session, stop, deadline, study, data: Mutex::default() })
    }

    /// Trains trials until the budget is used up.
    pub fn run(&self) -> Result<StudyEnd, Error> {
        loop {
            if self.stop.is_requested() {
                return Ok(StudyEnd::Stopped);
            }
            if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(StudyEnd::Time);
            }
            let request = ClaimRequest {
                space: &self.plan.space,
                sampler: self.plan.sampler.as_ref(),
                seed: self.plan.seed,
                trials: self.plan.trials,
                first: self.plan.first.as_ref(),
            };
            let claim = locked(&self.study).claim(&request);
            match claim {
                Ok(Claim::Trial(trial)) => self.trial(&trial)?,
                Ok(Claim::Busy) => std::thread::sleep(POLL),
                Ok(Claim::Done) | Err(StudyError::Tune(TuneError::GridExhausted { .. })) => {
                    return Ok(StudyEnd::Trials);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Trains a trial and records its end.
    fn trial(&self, trial: &TrialRecord) -> Result<(), Error> {
        self.emit(trial.id);
        let observer = TrialObserver {
            study: &self.study,
            trial,
            pruner: &self.plan.pruner,
            metric: self.plan.goal().name(),
            stop: StopSignal::new(),
            state: Mutex::default(),
        };
        let result = self.train(trial, &observer);
        let state = observer.state.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        match state.failure {
            // Whoever has taken the trial ends it.
            Some(StudyError::LostTrial { .. }) => return Ok(()),
            Some(failure) => return Err(failure.into()),
            None => {}
        }
        let ended = match result {
            Ok(TrialOutcome::Trained(run)) => self.complete(trial, &run, &state.best),
            Ok(TrialOutcome::Stopped) if state.pruned => locked(&self.study).prune(trial.id),
            Ok(TrialOutcome::Stopped) => locked(&self.study).release(trial.id),
            // Every further trial would fail in the same way.
            Err(error) if is_of_machine(&error) => {
                locked(&self.study).release(trial.id)?;
                return Err(error);
            }
            Err(error) => locked(&self.study).fail(trial.id, &message_and_hint(&error).0),
        };
        match ended {
            Err(StudyError::LostTrial { .. }) => return Ok(()),
            ended => ended?,
        }
        self.emit(trial.id);
        best::remove_checkpoints(self.plan, &locked(&self.study), trial.id);
        self.check_failures()
    }

    /// Trains the trial in the home of the study: the rest of its run, if an earlier worker has left a checkpoint.
    fn train(&self, trial: &TrialRecord, observer: &TrialObserver<'_>) -> Result<TrialOutcome, Error> {
        let home = self.plan.home();
        let mut session = Session::new(self.session.home().clone(), observer);
        session.probe = self.session.probe.clone();
        let job = match self.begun(trial)? {
            // The config has the folders in which relative paths are looked up.
            Some(run) => TrainJob::resume(run).expecting(Some(self.plan.config(trial))),
            None => TrainJob::new(self.plan.config(trial)),
        };
        let job = job.device(self.plan.job.device);
        let end = TrialEnd { latency: self.plan.metrics.contains(&TuneMetric::Latency) };
        let (done, ended) = (Mutex::new(false), Condvar::new());
        std::thread::scope(|scope| {
            scope.spawn(|| self.renew(trial, observer, &done, &ended));
            let result = job.train_only(&home, &session, &observer.stop, &mut locked(&self.data), end);
            *locked(&done) = true;
            ended.notify_all();
            result
        })
    }

    /// Run of an earlier worker that has a checkpoint. One without any is removed, and the trial starts anew.
    fn begun(&self, trial: &TrialRecord) -> Result<Option<String>, Error> {
        let Some(id) = trial.user_attrs.get(TRIAL_RUN).and_then(Value::as_str) else { return Ok(None) };
        let Ok(folder) = RunFolder::open(&self.plan.home(), id) else { return Ok(None) };
        if !folder.checkpoint_steps()?.is_empty() {
            return Ok(Some(id.to_owned()));
        }
        let path = folder.path().to_owned();
        std::fs::remove_dir_all(&path).map_err(|source| Error::Io { path, source })?;
        Ok(None)
    }

    /// Renews the lease of a trial until it ends, and hands a stop of the study on to it.
    fn renew(&self, trial: &TrialRecord, observer: &TrialObserver<'_>, done: &Mutex<bool>, ended: &Condvar) {
        let mut renewed = Instant::now();
        loop {
            let waited = ended.wait_timeout_while(locked(done), LOOK, |done| !*done);
            if waited.map_or(true, |(done, _)| *done) {
                return;
            }
            if self.stop.is_requested() || self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                observer.stop.request();
            }
            if renewed.elapsed() < Worker::HEARTBEAT {
                continue;
            }
            renewed = Instant::now();
            if let Err(error) = locked(&self.study).heartbeat(trial.id) {
                observer.failed(error);
                return;
            }
        }
    }

    /// Records the values of a trained trial.
    fn complete(
        &self,
        trial: &TrialRecord,
        run: &TrainedRun,
        best: &Map<String, Value>,
    ) -> Result<(), StudyError> {
        let metrics = if run.metrics.is_empty() { best } else { &run.metrics };
        let value = |(at, metric): (usize, &TuneMetric)| match metric.goal() {
            // The selected epoch's value, which a resumed run has even where its events came before.
            Some(goal) if at == 0 && run.valid.as_ref().is_none_or(|valid| valid.metric == goal.name()) => {
                run.valid.as_ref().map(|valid| valid.value)
            }
            Some(goal) => metrics.get(goal.name()).and_then(Value::as_f64),
            None if *metric == TuneMetric::Latency => run.latency,
            #[allow(clippy::cast_precision_loss, reason = "no file has 2^53 bytes")]
            None => Some(run.size as f64),
        };
        let values: Option<Vec<f64>> = self.plan.metrics.iter().enumerate().map(value).collect();
        let values = values.filter(|values| !values.iter().any(|value| value.is_nan()));
        let mut study = locked(&self.study);
        if let Some(values) = values {
            study.set_attribute(trial.id, "seconds", run.seconds.into())?;
            study.complete(trial.id, values)
        } else {
            let names: Vec<&str> = self.plan.metrics.iter().map(|metric| metric.name()).collect();
            study.fail(trial.id, &format!("{} is undefined on the valid split", names.join(" or ")))
        }
    }

    /// Ends a study none of whose trials works.
    fn check_failures(&self) -> Result<(), Error> {
        let study = locked(&self.study);
        let trials = study.trials();
        let failed = trials.iter().filter(|trial| trial.state == JournalTrialState::Fail).count();
        if failed < FAILURES.min(self.plan.trials) || failed < trials.len() {
            return Ok(());
        }
        Err(failures::all_failed(self.plan, self.session, &trials))
    }

    fn emit(&self, trial: usize) {
        let study = locked(&self.study);
        if let Some(progress) = TrialProgress::of(self.plan, &study, trial) {
            self.session.emit(&WorkflowEvent::Trial(&progress));
        }
    }
}

/// `true` for a failure of the disk or of a lock, which says nothing about a trial.
pub(super) fn is_of_machine(error: &Error) -> bool {
    match error {
        Error::Run { source, .. } => is_of_machine(source),
        Error::Io { .. } | Error::Store(_) | Error::Record(_) | Error::Study(_) => true,
        _ => false,
    }
}
