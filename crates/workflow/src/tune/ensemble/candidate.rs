//! Models that an ensemble is chosen from: found by run, package or config, and checked to have the same rows.

use std::path::Path;
use std::time::Instant;

use cupola_nn::DeviceChoice;
use cupola_prep::{ExamplesWithTargets, MemberPlaces, Plan};
use cupola_registry::{Home, Package, RunFolder, RunRecord};
use cupola_runtime::{EngineChoice, Predictor, blended_values};
use cupola_spec::{Config, Run, Target, Uncertainty};
use serde::Serialize;

use super::join::{CHUNK, plan_of};
use crate::config::{self, ConfigSource};
use crate::data::stages::is_cross_validation;
use crate::error::Error;
use crate::session::Session;
use crate::train::{JobOutcome, StopSignal, TrainJob};

/// Model of an ensemble with its scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LeaderboardRow {
    /// Package as `name:version`.
    pub package: String,
    /// Run that trained it.
    pub run: String,
    /// Family of the model.
    pub family: String,
    /// Value of the metric on the valid rows that the weights are chosen on.
    pub valid: Option<f64>,
    /// Value of the metric on the test split.
    pub test: Option<f64>,
    /// Share of the average; 0 for a model that was not chosen.
    pub weight: f64,
    /// Seconds of training.
    pub fit_seconds: Option<f64>,
    /// Microseconds per row of a prediction of many rows.
    pub predict_us: Option<f64>,
}

/// Published model with the run that trained it.
pub(super) struct Candidate {
    pub record: RunRecord,
    pub run: Run,
    pub package: Package,
    pub plan: Plan,
}

/// Outcome of looking for a candidate.
pub(super) enum FoundCandidate {
    Model(Box<Candidate>),
    /// Its training was stopped.
    Stopped {
        run: String,
        step: Option<u64>,
    },
}

/// Predictions of one candidate.
pub(super) struct CandidateValues {
    /// Probabilities and numbers, as `blended_values` gives them: `[rows, values]`.
    pub values: Vec<f64>,
    pub us_per_row: f64,
}

impl Candidate {
    /// Finds a model: the file of a config, the id of a run, or a package. A config is trained unless a finished run has the
    /// same config and data.
    ///
    /// # Errors
    /// Unknown runs and packages, a package without its run, and the errors of a training.
    pub fn find(
        reference: &str,
        session: &Session<'_>,
        device: DeviceChoice,
        stop: &StopSignal,
    ) -> Result<FoundCandidate, Error> {
        let home = session.home();
        let path = Path::new(reference);
        if path.extension().is_some_and(|extension| extension == "toml") {
            return Self::of_config(&ConfigSource::file(path), session, device, stop);
        }
        let found = match home.package(reference) {
            Ok(package) => {
                let folder = RunFolder::open(home, &package.manifest.lineage.run)?;
                Self::new(home, &folder, package)?
            }
            // The message about an unknown package names packages, which most references are.
            Err(unknown) => match RunFolder::open(home, reference) {
                Ok(folder) => Self::of_run(home, &folder)?,
                Err(_) => return Err(unknown.into()),
            },
        };
        Ok(FoundCandidate::Model(Box::new(found)))
    }

    fn of_config(
        config: &ConfigSource,
        session: &Session<'_>,
        device: DeviceChoice,
        stop: &StopSignal,
    ) -> Result<FoundCandidate, Error> {
        let home = session.home();
        let run = match session.finished_run(config)? {
            Some(record) => record.id,
            None => match TrainJob::new(config.clone()).device(device).run(session, stop)? {
                JobOutcome::Published(run) => run.run,
                JobOutcome::Stopped { run, step } => return Ok(FoundCandidate::Stopped { run, step }),
                JobOutcome::Follower => return Err(Error::NothingToTrain),
            },
        };
        let found = Self::of_run(home, &RunFolder::open(home, &run)?)?;
        Ok(FoundCandidate::Model(Box::new(found)))
    }

    fn of_run(home: &Home, folder: &RunFolder) -> Result<Self, Error> {
        let record = folder.record()?;
        let Some(package) = &record.package else {
            return Err(Error::MemberUnfinished { run: record.id });
        };
        let package = home.package(package)?;
        Self::new(home, folder, package)
    }

    fn new(home: &Home, folder: &RunFolder, package: Package) -> Result<Self, Error> {
        if is_cross_validation(folder)? {
            return Err(Error::MemberOfFolds { package: package.label() });
        }
        let (record, text) = (folder.record()?, folder.config_text()?);
        let no_files = |path: &str| Err(format!("no such file: {path}"));
        let run = config::parse(home, &folder.config().to_string_lossy(), &text, &[], &no_files)?;
        let plan = plan_of(&package)?;
        Ok(Self { record, run, package, plan })
    }

    /// Checks that both models were trained on the same rows, divided alike.
    ///
    /// # Errors
    /// [`Error::OtherRows`] with the difference.
    pub fn check_same_rows(&self, other: &Self) -> Result<(), Error> {
        let (own, others) = (&self.run.sealed, &other.run.sealed);
        let differs = different_table(own, others);
        let what = if self.record.dataset.same_data(&other.record.dataset) {
            differs
        } else {
            Some("the data, of which they have different versions")
        };
        what.map_or(Ok(()), |what| {
            let (first, second) = (self.package.label(), other.package.label());
            Err(Error::OtherRows { first, second, what })
        })
    }

    /// Predictions for examples of the joined plan.
    ///
    /// # Errors
    /// A package that does not load, or a failure of its engine.
    #[allow(clippy::cast_precision_loss)]
    pub fn values(
        &self,
        session: &Session<'_>,
        places: &MemberPlaces,
        rows: &ExamplesWithTargets,
    ) -> Result<CandidateValues, Error> {
        let device = session.open_device(DeviceChoice::Flex)?;
        let mut predictor = Predictor::load(&self.package, EngineChoice::Auto, &device)?;
        let all: Vec<usize> = (0..rows.examples.rows).collect();
        let (mut logits, mut seconds) = (Vec::new(), 0.0);
        for chunk in all.chunks(CHUNK) {
            let own = places.examples(&rows.examples.gather(chunk));
            let started = Instant::now();
            logits.extend(predictor.logits(own)?);
            seconds += started.elapsed().as_secs_f64();
        }
        let values = blended_values(&self.plan.targets, &logits);
        Ok(CandidateValues { values, us_per_row: 1e6 * seconds / all.len().max(1) as f64 })
    }

    /// Row of the leaderboard.
    pub fn row(&self, metric: &str, valid: Option<f64>, weight: f64, predict_us: f64) -> LeaderboardRow {
        LeaderboardRow {
            package: self.package.label(),
            run: self.record.id.clone(),
            family: self.run.family.clone(),
            valid,
            test: self.record.metrics.get(metric).and_then(serde_json::Value::as_f64),
            weight,
            fit_seconds: self.record.seconds,
            predict_us: Some(predict_us),
        }
    }
}

/// First table of the configs that decides on the rows of a split and differs.
fn different_table(own: &Config, other: &Config) -> Option<&'static str> {
    let targets = |config: &Config| {
        let key = |target: &Target| (target.name.clone(), target.column().map(str::to_owned), target.kind);
        config.targets.iter().map(key).collect::<Vec<_>>()
    };
    let differs = [
        (own.data != other.data, "`[data]`"),
        (own.clean != other.clean, "`[clean]`"),
        (own.features != other.features, "`[[features]]`"),
        (own.split != other.split, "`[split]`"),
        (own.series != other.series, "`[series]`"),
        (own.seed != other.seed, "`seed`, which decides on the rows of the splits"),
        (targets(own) != targets(other), "`[[targets]]`"),
        (share(own) != share(other), "the rows that `[uncertainty]` sets aside"),
    ];
    differs.into_iter().find_map(|(differs, what)| differs.then_some(what))
}

/// Share of the rows that calibrate intervals, which are taken from the training rows.
fn share(config: &Config) -> Option<u64> {
    config.uncertainty.as_ref().and_then(Uncertainty::calibration_share).map(f64::to_bits)
}
