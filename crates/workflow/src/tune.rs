//! `tune`: a study of trials, each a training of the config with other values of its keys.
//!
//! A study lives in `studies/NAME/` of the home folder: the journal with its trials, the runs of the trials, and at the
//! end the best config and a page. The process of the command claims trials from the journal itself, or starts worker
//! processes that do. At the end it continues the run of the best trial to its evaluation and its package. Trials are
//! compared on the valid split only.

mod best;
pub(crate) mod cv;
pub(crate) mod ensemble;
mod failures;
mod outcome;
mod page;
mod plan;
pub(crate) mod preset;
mod values;
mod warm;
mod worker;
mod workers;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use cupola_nn::DeviceChoice;
use cupola_registry::Home;

pub use self::outcome::{TuneOutcome, TuneReport};
pub use self::workers::StudyWorkerCommand;

use self::plan::StudyPlan;
use self::worker::StudyWorker;
use crate::config::ConfigSource;
use crate::error::Error;
use crate::session::Session;
use crate::train::StopSignal;

/// Search for good values of a config's keys, or the rest of one.
#[derive(Debug)]
pub struct TuneJob {
    config: ConfigSource,
    study: Option<String>,
    trials: Option<usize>,
    time: Option<f64>,
    device: DeviceChoice,
    workers: usize,
    command: Option<StudyWorkerCommand>,
    home: Option<Home>,
    warm_start: Option<String>,
    storage: Option<String>,
}

impl TuneJob {
    /// Study of a config, with the settings of its table `[tune]`.
    pub fn new(config: ConfigSource) -> Self {
        let device = DeviceChoice::Auto;
        Self {
            config,
            study: None,
            trials: None,
            time: None,
            device,
            workers: 1,
            command: None,
            home: None,
            warm_start: None,
            storage: None,
        }
    }

    /// Name of the study. Default: the name of the config.
    #[must_use]
    pub fn study(self, study: Option<String>) -> Self {
        Self { study, ..self }
    }

    /// Number of trials in place of `tune.trials`.
    #[must_use]
    pub fn trials(self, trials: Option<usize>) -> Self {
        Self { trials, ..self }
    }

    /// Seconds in place of `tune.time`.
    #[must_use]
    pub fn time(self, time: Option<f64>) -> Self {
        Self { time, ..self }
    }

    /// Device to train on.
    #[must_use]
    pub fn device(self, device: DeviceChoice) -> Self {
        Self { device, ..self }
    }

    /// Trains in this many processes at once, which `command` starts.
    #[must_use]
    pub fn workers(self, workers: usize, command: StudyWorkerCommand) -> Self {
        Self { workers, command: Some(command), ..self }
    }

    /// Begins with the trials of the study of this name, or with the runs of the home folder for `runs`. A study that has
    /// trials goes on with them.
    #[must_use]
    pub fn warm_start(self, warm_start: Option<String>) -> Self {
        Self { warm_start, ..self }
    }

    /// Address of the server that keeps the trials, in place of `tune.storage`.
    #[must_use]
    pub fn storage(self, storage: Option<String>) -> Self {
        Self { storage, ..self }
    }

    /// Home of the study, and of the run and the package of its best trial. Default: that of the session, which has the data
    /// in any case.
    #[must_use]
    pub(crate) fn home(self, home: Home) -> Self {
        Self { home: Some(home), ..self }
    }

    /// Runs trials until the budget is used up, then publishes the best one. A `stop` that is set ends the trials after
    /// their current steps; the same job continues the study.
    ///
    /// # Errors
    /// Mistakes in config and data, a study of another config, a budget that completed no trial.
    pub fn run(&self, session: &Session<'_>, stop: &StopSignal) -> Result<TuneOutcome, Error> {
        let started = Instant::now();
        let plan = StudyPlan::new(self, session)?;
        session.home.check_writable()?;
        plan.warn_of_grid(session);
        if let Some(from) = &self.warm_start {
            warm::begin(&plan, session, from)?;
        }
        let limit = self.time.or(plan.time);
        let deadline =
            limit.and_then(|seconds| started.checked_add(Duration::from_secs_f64(seconds.min(1e9))));
        let end = match &self.command {
            Some(command) if self.workers > 1 => {
                workers::run(&plan, session, stop, command, self.workers, deadline)?
            }
            _ => StudyWorker::new(&plan, session, stop, deadline)?.run()?,
        };
        best::finish(&plan, session, stop, end)
    }

    /// Runs trials as one of the processes of a study, without the end.
    ///
    /// # Errors
    /// As [`Self::run`].
    pub fn work(&self, session: &Session<'_>, stop: &StopSignal) -> Result<(), Error> {
        let started = Instant::now();
        let plan = StudyPlan::new(self, session)?;
        let deadline =
            self.time.and_then(|seconds| started.checked_add(Duration::from_secs_f64(seconds.min(1e9))));
        StudyWorker::new(&plan, session, stop, deadline)?.run().map(drop)
    }
}

/// Reason for which no further trial begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StudyEnd {
    /// All trials are finished.
    Trials,
    /// The time is over.
    Time,
    /// A stop was requested.
    Stopped,
}

/// Folder of a study.
fn folder(home: &Home, name: &str) -> PathBuf {
    home.root().join("studies").join(name)
}
