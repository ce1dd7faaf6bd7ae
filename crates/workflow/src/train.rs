//! `train`: from a config to a published package.

mod after;
pub(crate) mod decisions;
mod devices;
pub(crate) mod final_model;
mod network;
pub(crate) mod publish;
mod rate;
pub(crate) mod record;
mod stop;
pub(crate) mod summary;
mod trained;
mod trees;

use std::path::PathBuf;

use cupola_nn::DeviceChoice;
use cupola_registry::{Home, RunFolder, RunRecord};
use cupola_spec::Run;
use cupola_train::EndReason;
use serde_json::{Map, Value};

pub use self::devices::TrainingDevices;
pub use self::rate::{RateReport, RateTest};
pub use self::stop::StopSignal;
pub use self::summary::{BaselineScore, TrainingSummary};
pub(crate) use self::trained::{TrainedRun, TrialEnd, TrialOutcome};

use self::after::{AfterTraining, TrainingEnd};
use self::trained::Publication;
use crate::config::ConfigSource;
use crate::data::kept::KeptData;
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::evaluate::gate::GateReport;
use crate::event::Silent;
use crate::session::Session;

/// Steps of a smoke run.
const SMOKE_STEPS: u64 = 3;

/// Training of one config, or the rest of a run that was stopped.
#[derive(Debug)]
pub struct TrainJob {
    config: Option<ConfigSource>,
    resume: Option<String>,
    /// Id of the run, whether or not it exists.
    id: Option<String>,
    device: DeviceChoice,
    group: TrainingDevices,
    max_steps: Option<u64>,
    smoke: bool,
}

/// End of a [`TrainJob`] that did not fail.
#[derive(Debug)]
pub enum JobOutcome {
    /// The package is published.
    Published(Box<PublishedRun>),
    /// The run was stopped and can be resumed.
    Stopped {
        /// Id of the run.
        run: String,
        /// Steps that the newest checkpoint holds; `None` for trees, which keep none and grow anew.
        step: Option<u64>,
    },
    /// Another process of the group evaluates and publishes.
    Follower,
}

/// Finished run and its package.
#[derive(Debug)]
pub struct PublishedRun {
    /// Id of the run.
    pub run: String,
    /// `name:version` of the package.
    pub package: String,
    /// Folder of the package.
    pub path: PathBuf,
    /// Folder of the run.
    pub folder: PathBuf,
    /// Page with the evaluation; `None` if `evaluate.report` is false.
    pub report: Option<PathBuf>,
    /// Device, with the reason for its choice.
    pub device: String,
    /// Metrics of the test split, or of the valid split if there is no test split.
    pub metrics: Map<String, Value>,
    /// Size of the training, such as `steps` and `best`, or `trees`.
    pub about: Map<String, Value>,
    /// Reason for which training ended; `None` for trees.
    pub ended: Option<EndReason>,
    /// Scores beside those of a trivial model, and what the model relies on.
    pub summary: TrainingSummary,
    /// Judged conditions of the config; `None` without any. Where they are broken, the package is published and `latest`
    /// stays where it was.
    pub gate: Option<GateReport>,
}

impl JobOutcome {
    fn of(end: TrainingEnd<Box<PublishedRun>>) -> Self {
        match end {
            TrainingEnd::Trained(run) => Self::Published(run),
            TrainingEnd::Stopped { run, step } => Self::Stopped { run, step },
            TrainingEnd::Follower => Self::Follower,
        }
    }
}

impl TrainJob {
    /// New run of a config, on the best device, to its last epoch.
    pub fn new(config: ConfigSource) -> Self {
        Self { config: Some(config), ..Self::empty() }
    }

    /// Rest of a run, by its id or `latest`, from its newest checkpoint.
    pub fn resume(run: impl Into<String>) -> Self {
        Self { resume: Some(run.into()), ..Self::empty() }
    }

    pub(crate) fn empty() -> Self {
        Self {
            config: None,
            resume: None,
            id: None,
            device: DeviceChoice::Auto,
            group: TrainingDevices::local(1),
            max_steps: None,
            smoke: false,
        }
    }

    /// Refuses to resume a run that another config began.
    #[must_use]
    pub fn expecting(self, config: Option<ConfigSource>) -> Self {
        Self { config, ..self }
    }

    /// Id of the run. The job continues the run of this id by that run's own config, if there is one; else it begins it.
    #[must_use]
    pub fn named(self, id: Option<String>) -> Self {
        Self { id, ..self }
    }

    /// Device to train on.
    #[must_use]
    pub fn device(self, device: DeviceChoice) -> Self {
        Self { device, ..self }
    }

    /// Devices that train together.
    #[must_use]
    pub fn group(self, group: TrainingDevices) -> Self {
        Self { group, ..self }
    }

    /// Ends training after this many steps in all, then evaluates and publishes.
    #[must_use]
    pub fn max_steps(self, max_steps: Option<u64>) -> Self {
        Self { max_steps, ..self }
    }

    /// Trains three steps, evaluates and publishes in a temporary folder, to show that the config works.
    #[must_use]
    pub fn smoke(self, smoke: bool) -> Self {
        Self { smoke, ..self }
    }

    /// Trains, evaluates and publishes. A `stop` that is set ends the run after its current step, with a
    /// checkpoint, or after the trees that grow, without one.
    ///
    /// # Errors
    /// Mistakes in config and data before the run begins; afterwards [`Error::Run`].
    pub fn run(&self, session: &Session<'_>, stop: &StopSignal) -> Result<JobOutcome, Error> {
        if let Some(config) = &self.config {
            decisions::check_single(&session.run_config(config)?)?;
        }
        if !self.smoke {
            return self.run_in(&session.home, session, stop);
        }
        let temporary =
            tempfile::tempdir().map_err(|source| Error::Io { path: std::env::temp_dir(), source })?;
        self.run_in(&Home::new(temporary.path().to_owned()), session, stop)
    }

    /// Process group of the job, which has to end together.
    pub fn devices(&self) -> &TrainingDevices {
        &self.group
    }

    /// Trains with `runs` as the home of run and package. Configs, datasets and pretrained packages are the
    /// session's.
    pub(crate) fn run_in(
        &self,
        runs: &Home,
        session: &Session<'_>,
        stop: &StopSignal,
    ) -> Result<JobOutcome, Error> {
        // Nobody waits for a training whose package nobody takes.
        runs.check_writable()?;
        self.train(runs, session, stop, &mut KeptData::default(), &Publication).map(JobOutcome::of)
    }

    /// Trains as a trial of a study, with `runs` as the home of the run: the run ends with its training, to be evaluated
    /// on the test split and published when it is resumed. `kept` has the data of the trial before.
    pub(crate) fn train_only(
        &self,
        runs: &Home,
        session: &Session<'_>,
        stop: &StopSignal,
        kept: &mut KeptData,
        end: TrialEnd,
    ) -> Result<TrialOutcome, Error> {
        self.train(runs, session, stop, kept, &end).map(TrialOutcome::of)
    }

    /// Trains on rows that are loaded already, with `runs` as the home of run and package.
    pub(crate) fn run_loaded(
        &self,
        runs: &Home,
        session: &Session<'_>,
        stop: &StopSignal,
        data: &LoadedData,
    ) -> Result<JobOutcome, Error> {
        let (run, resumed) = self.begin(runs, session)?;
        Stage { job: self, session, runs, stop }.train(run, data, resumed, &Publication).map(JobOutcome::of)
    }

    /// Trains on rows that are loaded already; the run ends with its training.
    pub(crate) fn train_loaded(
        &self,
        runs: &Home,
        session: &Session<'_>,
        stop: &StopSignal,
        data: &LoadedData,
        end: TrialEnd,
    ) -> Result<TrialOutcome, Error> {
        let (run, resumed) = self.begin(runs, session)?;
        Stage { job: self, session, runs, stop }.train(run, data, resumed, &end).map(TrialOutcome::of)
    }

    fn train<A: AfterTraining>(
        &self,
        runs: &Home,
        session: &Session<'_>,
        stop: &StopSignal,
        kept: &mut KeptData,
        after: &A,
    ) -> Result<TrainingEnd<A::Output>, Error> {
        let session = if self.group.leads() {
            session.clone()
        } else {
            Session { home: session.home.clone(), observer: &Silent, probe: session.probe.clone() }
        };
        let (run, resumed) = self.begin(runs, &session)?;
        let roots = self.config.as_ref().map_or_else(|| vec![PathBuf::from(".")], ConfigSource::roots);
        let data = kept.load(&session, &run, &roots)?;
        Stage { job: self, session: &session, runs, stop }.train(run, data, resumed, after)
    }

    /// The run, and its folder and record if it is resumed.
    fn begin(
        &self,
        runs: &Home,
        session: &Session<'_>,
    ) -> Result<(Run, Option<(RunFolder, RunRecord)>), Error> {
        match (&self.resume, &self.config) {
            (Some(id), config) => record::resumed(runs, session, id, config.as_ref()),
            (None, Some(config)) => match &self.id {
                Some(id) => record::named(runs, session, id, config),
                None => Ok((session.run_config(config)?, None)),
            },
            (None, None) => Err(Error::NothingToTrain),
        }
    }

    fn step_limit(&self) -> Option<u64> {
        self.max_steps.or(self.smoke.then_some(SMOKE_STEPS))
    }
}

/// Surroundings of the train stage.
pub(crate) struct Stage<'a> {
    pub job: &'a TrainJob,
    pub session: &'a Session<'a>,
    /// Home of run and package.
    pub runs: &'a Home,
    pub stop: &'a StopSignal,
}

impl Stage<'_> {
    /// Trains the model of a run, whose draws follow `train.seed`, and does what comes after.
    fn train<A: AfterTraining>(
        &self,
        mut run: Run,
        data: &LoadedData,
        resumed: Option<(RunFolder, RunRecord)>,
        after: &A,
    ) -> Result<TrainingEnd<A::Output>, Error> {
        decisions::check(&run, &data.prepared)?;
        run.seed = run.train.seed.unwrap_or(run.seed);
        match &run.trees {
            Some(_) if self.job.group.size() > 1 => Err(Error::TreesOnDevices),
            Some(spec) => trees::train(self, &run, data, spec, resumed, after),
            None => network::train(self, run, data, resumed, after),
        }
    }

    /// Creates the folder of a new run.
    fn create(&self, run: &Run, data: &LoadedData) -> Result<(RunFolder, RunRecord), Error> {
        record::create_named(self.runs, run, data, self.job.id.as_deref())
    }
}
