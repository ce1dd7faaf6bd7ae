//! Runs all folds of a config and publishes their average.

use cupola_nn::DeviceChoice;
use cupola_prep::{Frame, prepare_folds};
use cupola_registry::{Home, RunFolder, RunRecord};
use cupola_spec::{Run, Split};
use cupola_store::{Lock, create_folder, read_json, write_file, write_json};

use super::folds::{FoldPlan, FoldState, state};
use super::outcome::{CrossValidation, FoldScore};
use super::predictions::{ExactTargets, write_predictions};
use super::publish::FinishedFolds;
use crate::config::ConfigSource;
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;
use crate::train::{JobOutcome, StopSignal, TrainJob};

/// Most runs of one cross-validation.
const MOST_RUNS: usize = 1_000;
/// Result in the folder of the cross-validation.
const RESULT: &str = "cv.json";
const PREDICTIONS: &str = "predictions.jsonl";

/// Cross-validation of a config.
#[derive(Debug, Clone)]
pub struct CvJob {
    pub(super) config: ConfigSource,
    folds: Option<usize>,
    repeats: usize,
    pub(super) device: DeviceChoice,
    nested: bool,
}

/// End of a [`CvJob`] that did not fail.
#[derive(Debug)]
pub enum CvOutcome {
    /// All folds are done and the package is published.
    Published(Box<CrossValidation>),
    /// The job was stopped; the same job goes on from there.
    Stopped {
        /// Folds that are done.
        done: usize,
        /// Folds in all.
        folds: usize,
    },
}

impl CvJob {
    /// Cross-validation of a config in `split.folds` folds, or five.
    pub fn new(config: ConfigSource) -> Self {
        Self { config, folds: None, repeats: 1, device: DeviceChoice::Auto, nested: false }
    }

    /// Number of folds; `None` for that of the config.
    #[must_use]
    pub fn folds(self, folds: Option<usize>) -> Self {
        Self { folds, ..self }
    }

    /// Number of divisions into folds, each by a seed of its own.
    #[must_use]
    pub fn repeats(self, repeats: usize) -> Self {
        Self { repeats, ..self }
    }

    /// Searches the settings of `[tune]` anew within each fold, on its valid rows, so that the score of its test rows is that
    /// of the whole search.
    #[must_use]
    pub fn nested(self, nested: bool) -> Self {
        Self { nested, ..self }
    }

    /// Device to train on.
    #[must_use]
    pub fn device(self, device: DeviceChoice) -> Self {
        Self { device, ..self }
    }

    /// Trains the folds that are not done, continues the one that was interrupted, and publishes the average of all. A `stop`
    /// that is set ends the current fold with a checkpoint.
    ///
    /// # Errors
    /// [`Error::CrossValidation`] for a config without folds, and the errors of a training.
    pub fn run(&self, session: &Session<'_>, stop: &StopSignal) -> Result<CvOutcome, Error> {
        let run = session.run_config(&self.config)?;
        let folds = self.folds.or(run.split.fold_count()).unwrap_or(Split::FOLDS);
        if folds < 2 || self.repeats == 0 || folds.saturating_mul(self.repeats) > MOST_RUNS {
            return Err(Error::CrossValidation {
                why: format!(
                    "expected 2 folds or more and at most {MOST_RUNS} runs, found {folds} folds, {} times",
                    self.repeats
                ),
                remedy: "change --folds or --repeat",
            });
        }
        session.home.check_writable()?;
        let plan = FoldPlan::of(&run, folds, self.repeats, self.nested)?;
        let stage = session.prepared_stage(&run, &self.config.roots())?;
        let digests: Vec<&str> = stage.files().iter().map(|file| file.sha256.as_str()).collect();
        let key = plan.key(&run, &digests)?;
        let folder = session.home().root().join("cv").join(format!("{}-{}", run.name, &key[..12]));
        create_folder(&folder)?;
        let _lock = Lock::try_folder(&folder)?;
        let home = Home::new(folder);
        if let Some(done) = earlier_result(session.home(), &home, self.repeats) {
            return Ok(CvOutcome::Published(Box::new(done)));
        }
        let (mut records, mut runs, mut chosen) = (Vec::new(), Vec::new(), Vec::new());
        plan.check_rows(session, &self.config)?;
        for place in plan.runs() {
            let config = plan.config(&self.config, place);
            let fold = session.run_config(&config)?;
            let found = if self.nested {
                self.search(session, stop, &home, (&plan, place), &config)?
            } else {
                let found = self.fold(session, stop, &home, (&plan, place), (&config, &fold))?;
                found.map(|record| (record, None))
            };
            match found {
                Some((record, params)) => {
                    records.push((record, place));
                    chosen.push(params);
                }
                None => return Ok(CvOutcome::Stopped { done: records.len(), folds: folds * self.repeats }),
            }
            runs.push(fold);
        }
        let each = records.iter().zip(chosen);
        let scores =
            each.map(|((record, place), params)| FoldScore { params, ..FoldScore::of(record, *place) });
        let mut outcome = CrossValidation::finished(
            &run,
            plan.by,
            [folds, self.repeats],
            home.root().to_owned(),
            scores.collect(),
        );
        outcome.nested = self.nested;
        let label =
            |(record, _): &(RunRecord, _)| home.package(record.package.as_deref().unwrap_or_default());
        let packages = records.iter().map(label).collect::<Result<_, _>>()?;
        let finished = FinishedFolds { run: &run, records, packages, outcome };
        let outcome = self.publish(session, &home, finished, &runs)?;
        write_json(&home.root().join(RESULT), &outcome)?;
        write_file(&home.root().join("cv.md"), outcome.markdown().as_bytes())?;
        Ok(CvOutcome::Published(Box::new(outcome)))
    }

    /// Record of the finished run of one fold; `None` if it was stopped.
    fn fold(
        &self,
        session: &Session<'_>,
        stop: &StopSignal,
        home: &Home,
        (plan, [repeat, fold]): (&FoldPlan, [usize; 2]),
        (config, run): (&ConfigSource, &Run),
    ) -> Result<Option<RunRecord>, Error> {
        let folds = [plan.folds, plan.repeats];
        let found = state(home, run)?;
        let reused = matches!(found, FoldState::Finished(_));
        session.emit(&WorkflowEvent::FoldStarted { place: [fold, repeat], folds, reused });
        let job = match found {
            FoldState::Finished(record) => {
                session.emit(&WorkflowEvent::FoldFinished { place: [fold, repeat], folds, record: &record });
                return Ok(Some(*record));
            }
            FoldState::Resumable(id) => TrainJob::resume(id).expecting(Some(config.clone())),
            FoldState::New => TrainJob::new(config.clone()),
        };
        if stop.is_requested() {
            return Ok(None);
        }
        match job.device(self.device).run_in(home, session, stop)? {
            JobOutcome::Published(published) => {
                let record = RunFolder::open(home, &published.run)?.record()?;
                session.emit(&WorkflowEvent::FoldFinished { place: [fold, repeat], folds, record: &record });
                Ok(Some(record))
            }
            JobOutcome::Stopped { .. } | JobOutcome::Follower => Ok(None),
        }
    }

    /// Predicts each row by the model that has not seen it and publishes the average of the models.
    fn publish(
        &self,
        session: &Session<'_>,
        home: &Home,
        mut finished: FinishedFolds<'_>,
        runs: &[Run],
    ) -> Result<CrossValidation, Error> {
        let (model, roots) = (finished.joined()?, self.config.roots());
        if finished.run.windowed() {
            // An example is a window: no row of the source has a prediction of its own.
            let data = session.load_sealed(finished.run, &roots, &model.plan)?;
            return finished.publish(session, &data, &model, (None, None));
        }
        let encode = |frame: &Frame, _: Option<&Frame>| {
            let rows = prepare_folds(runs, frame, &model.plan)?;
            let exact = ExactTargets::of(&model.plan.targets, frame, &rows.numbers);
            Ok((rows, exact))
        };
        let ((rows, exact), source, test) = session.with_frames(finished.run, &roots, encode)?;
        let places: Vec<[usize; 2]> = finished.records.iter().map(|(_, place)| *place).collect();
        let path = home.root().join(PREDICTIONS);
        let outputs =
            write_predictions(session, (&model, &finished.packages), (&rows, &exact), &places, &path)?;
        finished.outcome.predictions = Some(path);
        let intervals = finished.intervals(session, &model, &outputs, &rows);
        let data = LoadedData { prepared: rows.prepared, source, test, pretrained: None };
        finished.publish(session, &data, &model, (Some(&outputs), intervals))
    }
}

/// Result of the same job, if its package is still there.
fn earlier_result(home: &Home, folds: &Home, repeats: usize) -> Option<CrossValidation> {
    let found: CrossValidation = read_json(&folds.root().join(RESULT)).ok()?;
    (found.repeats == repeats && home.package(&found.package).is_ok()).then_some(found)
}
