//! Plan of a study: its space, its objectives and its config, all checked before the first trial.

use std::path::{Path, PathBuf};

use cupola_registry::{Home, sha256_hex};
use cupola_spec::{Goal, NAME_RULE, Run, Tune, TuneMetric, TunePruner, TuneSampler, is_name, parse_time};
use cupola_train::Selection;
use cupola_tune::{
    GridSampler, JournalPlace, ParamValues, Pruner, Sampler, SearchSpace, Study, StudyDirection, StudyError,
    StudyIdentity, Worker,
};
use serde_json::Value;

use super::values::{TrialValues, search_space};
use super::{TuneJob, folder};
use crate::config::ConfigSource;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;

/// Everything that the trials of a study share.
pub(super) struct StudyPlan<'a> {
    pub job: &'a TuneJob,
    pub name: String,
    /// Home of the run and the package of the best trial.
    pub target: Home,
    /// `studies/NAME/`
    pub folder: PathBuf,
    /// Server of the trials; `None` for a file.
    pub storage: Option<String>,
    place: JournalPlace,
    pub metrics: Vec<TuneMetric>,
    pub space: SearchSpace,
    pub values: TrialValues,
    /// Values of the config itself, with which a study begins; `None` where they lie outside of the space.
    pub first: Option<ParamValues>,
    pub sampler: Box<dyn Sampler>,
    pub pruner: Pruner,
    pub seed: u64,
    pub trials: usize,
    /// Points of the grid, where the sampler is one.
    pub points: Option<usize>,
    pub time: Option<f64>,
    digest: String,
}

impl<'a> StudyPlan<'a> {
    pub fn new(job: &'a TuneJob, session: &Session<'_>) -> Result<Self, Error> {
        let mut run = session.run_config(&job.config)?;
        let mut tune = run.tune.take().unwrap_or_default();
        let name = job.study.clone().unwrap_or_else(|| run.name.clone());
        let problem = |why: &str, remedy: &str| Error::Tune {
            study: name.clone(),
            why: why.to_owned(),
            remedy: remedy.to_owned(),
        };
        if !is_name(&name) {
            return Err(problem("invalid name", &format!("use {NAME_RULE}")));
        }
        if run.split.valid <= 0.0 && run.split.by != cupola_spec::SplitBy::Predefined {
            return Err(problem("the valid split has no rows to compare trials on", "raise `split.valid`"));
        }
        if tune.space.is_empty() {
            tune.space = Tune::default_space(&run.family, run.trees.is_some(), run.start.is_none());
        }
        if tune.space.is_empty() {
            let why = format!("the search space is empty, and family `{}` has no default one", run.family);
            return Err(problem(&why, "add `[tune.space]` with a key and its range"));
        }
        let space = search_space(&tune.space, &run)?;
        let values = TrialValues::new(&tune.space, &run)?;
        let first = values.of_config(&space);
        let trials = job.trials.unwrap_or(tune.trials);
        let points = match tune.sampler {
            TuneSampler::Grid => Some(GridSampler::points(&space).map_err(StudyError::from)?),
            _ => None,
        };
        let config = toml::to_string(&run.sealed)?;
        let described = serde_json::to_string(&(&tune.space, &tune.metric))?;
        let digest = sha256_hex(format!("{config}\n{described}").as_bytes());
        let target = job.home.clone().unwrap_or_else(|| session.home().clone());
        let folder = folder(&target, &name);
        let storage = job.storage.clone().or_else(|| tune.storage.take());
        let place = place(storage.as_deref(), &folder, &name)?;
        let metrics = metrics(&tune, &run, job, session, &place, &name, &digest)?;
        Ok(Self {
            job,
            metrics,
            space,
            values,
            first,
            sampler: suggestions(tune.sampler)?,
            pruner: pruner(&tune, &run),
            seed: tune.seed.unwrap_or(run.seed),
            trials,
            points,
            time: tune.time.as_deref().and_then(parse_time),
            name,
            target,
            folder,
            storage,
            place,
            digest,
        })
    }

    /// Warns that some points of the grid are not tried, before the first trial.
    pub fn warn_of_grid(&self, session: &Session<'_>) {
        if let Some(points) = self.points.filter(|points| *points > self.trials) {
            let text = format!(
                "the grid has {points} points, of which {} trials try a random part; give --trials {points} for all",
                self.trials
            );
            session.emit(&WorkflowEvent::Warning(&text));
        }
    }

    /// Opens the study as a worker of this host.
    pub fn open(&self) -> Result<Study, Error> {
        let host = sysinfo::System::host_name().unwrap_or_default();
        let worker = Worker::new(&self.folder, &host)?;
        let direction = |metric: &TuneMetric| {
            if metric.larger_is_better() { StudyDirection::Maximize } else { StudyDirection::Minimize }
        };
        let identity = StudyIdentity {
            name: self.name.clone(),
            directions: self.metrics.iter().map(direction).collect(),
            metrics: self.metrics.iter().map(|metric| metric.name().to_owned()).collect(),
            config: self.digest.clone(),
        };
        Ok(Study::open(&self.place, identity, worker)?)
    }

    /// Metric that selects the best epoch.
    pub fn goal(&self) -> Goal {
        self.metrics.first().and_then(|metric| metric.goal()).unwrap_or(Goal::Loss)
    }

    /// Home of the runs of the trials.
    pub fn home(&self) -> Home {
        Home::new(self.folder.clone())
    }

    /// Config of a trial.
    pub fn config(&self, trial: &cupola_tune::TrialRecord) -> ConfigSource {
        let metric = format!("train.metric=\"{}\"", self.goal().name());
        self.job.config.clone().with_more_overrides(self.values.overrides(trial).into_iter().chain([metric]))
    }
}

/// Place of the trials of the study `name`: a database, or a file in the folder of the study.
///
/// # Errors
/// [`Error::Tune`] for an unknown kind of server, and for a password, which runs and lists of processes would show.
pub(super) fn place(storage: Option<&str>, folder: &Path, name: &str) -> Result<JournalPlace, Error> {
    let Some(url) = storage else { return Ok(JournalPlace::File(folder.join("journal.log"))) };
    let refused = |why: &str, remedy: &str| Error::Tune {
        study: name.to_owned(),
        why: why.to_owned(),
        remedy: remedy.to_owned(),
    };
    let Some(place) = JournalPlace::parse(url, name) else {
        let why = "unknown storage; expected an address that begins with `sqlite://` or `postgres://`";
        return Err(refused(
            why,
            "write one such as `sqlite:///shared/studies.db` or `postgres://me@db/studies`, or leave `storage` out for a file",
        ));
    };
    if let JournalPlace::Sqlite { .. } = &place {
        return Ok(place);
    }
    let user = url.split_once("://").and_then(|(_, rest)| rest.split('/').next()?.rsplit_once('@'));
    if user.is_some_and(|(user, _)| user.contains(':')) || url.contains("password=") {
        let why = "`storage` has a password, which the configs of runs would keep";
        return Err(refused(why, "leave it out, and set PGPASSWORD or write it into ~/.pgpass"));
    }
    Ok(place)
}

/// Metrics of the config, else those that the study began with, else the one that the data calls for.
fn metrics(
    tune: &Tune,
    run: &Run,
    job: &TuneJob,
    session: &Session<'_>,
    place: &JournalPlace,
    name: &str,
    digest: &str,
) -> Result<Vec<TuneMetric>, Error> {
    let configured = tune.metrics();
    if !configured.is_empty() {
        return Ok(configured);
    }
    if let Some(goal) = run.train.metric {
        return Ok(vec![metric_of(goal)]);
    }
    match Study::metrics_of(place, name, digest) {
        Ok(Some(names)) => {
            let names: Option<Vec<TuneMetric>> =
                names.into_iter().map(|name| serde_json::from_value(Value::String(name)).ok()).collect();
            if let Some(names) = names.filter(|names| !names.is_empty()) {
                return Ok(names);
            }
        }
        Ok(None) | Err(StudyError::Io { .. } | StudyError::Storage { .. }) => {}
        Err(error) => return Err(error.into()),
    }
    let data = session.load_data(run, &job.config.roots())?;
    Ok(vec![metric_of(Selection::of(run, &data.prepared)?.goal)])
}

fn metric_of(goal: Goal) -> TuneMetric {
    match goal {
        Goal::Loss => TuneMetric::Loss,
        Goal::Accuracy => TuneMetric::Accuracy,
        Goal::MacroF1 => TuneMetric::MacroF1,
        Goal::RocAuc => TuneMetric::RocAuc,
        Goal::Rmse => TuneMetric::Rmse,
        Goal::Mae => TuneMetric::Mae,
        Goal::R2 => TuneMetric::R2,
        Goal::NdcgAt10 => TuneMetric::NdcgAt10,
    }
}

fn suggestions(sampler: TuneSampler) -> Result<Box<dyn Sampler>, Error> {
    let name = if sampler == TuneSampler::Qmc { "sobol" } else { sampler.name() };
    cupola_tune::sampler(name).map_err(|error| StudyError::from(error).into())
}

/// Pruner of the trials. Trees report one value, at their end.
fn pruner(tune: &Tune, run: &Run) -> Pruner {
    let epochs = i64::try_from(run.train.epochs).unwrap_or(i64::MAX);
    match tune.pruner {
        TunePruner::None => Pruner::None,
        TunePruner::Median => Pruner::median(),
        TunePruner::Percentile => Pruner::percentile(25.0),
        TunePruner::Asha => Pruner::halving(),
        TunePruner::Hyperband => {
            Pruner::Hyperband { min_resource: 1, max_resource: Some(epochs), reduction_factor: 3 }
        }
        TunePruner::Patience => Pruner::Patience { patience: tune.patience, min_delta: 0.0, inner: None },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_needs_an_address_without_a_password() {
        let found = |storage| place(storage, Path::new("studies/a"), "a").map_err(|error| error.to_string());
        assert_eq!(found(None), Ok(JournalPlace::File("studies/a/journal.log".into())));
        let url = "postgres://me@db:5433/studies".to_owned();
        assert_eq!(
            found(Some(&url)),
            Ok(JournalPlace::Postgres { url: url.clone(), journal: "a".to_owned() })
        );
        assert_eq!(
            found(Some("sqlite:///shared/studies.db")),
            Ok(JournalPlace::Sqlite { path: "/shared/studies.db".into(), journal: "a".to_owned() })
        );
        for (url, expected) in [
            ("postgres://me:secret@db/x", "PGPASSWORD"),
            ("postgres://db/x?password=secret", "PGPASSWORD"),
            ("redis://db", "expected an address"),
        ] {
            let error = found(Some(url)).unwrap_err();
            assert!(error.contains(expected) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn every_sampler_of_a_config_exists() {
        let unknown = serde_json::from_value::<TuneSampler>("unknown".into()).unwrap_err().to_string();
        // "unknown variant `unknown`, expected one of `tpe`, `random`, ..."
        let names: Vec<&str> = unknown.split('`').skip(1).step_by(2).skip(1).collect();
        assert_eq!(names.len(), cupola_tune::SAMPLERS.len(), "{unknown}");
        for name in names {
            let sampler: TuneSampler = serde_json::from_value(name.into()).unwrap();
            assert_eq!(sampler.name(), name);
            assert!(suggestions(sampler).is_ok(), "{name}");
        }
    }
}
