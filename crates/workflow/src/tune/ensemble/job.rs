//! From candidates to a published ensemble.

use cupola_nn::DeviceChoice;
use cupola_prep::{ExamplesWithTargets, Plan, SplitPart};
use cupola_spec::{Run, Uncertainty, UncertaintyMethod};
use cupola_store::Name;
use cupola_train::{Selection, TargetObjective, default_objectives};
use serde_json::{Map, json};

use super::candidate::{Candidate, FoundCandidate, LeaderboardRow};
use super::join::{JoinedModel, JoinedOutputs, SingleModel};
use super::select::{EnsembleMethod, Measure};
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::event::WorkflowEvent;
use crate::session::Session;
use crate::train::publish::TrainedModel;
use crate::train::record::create;
use crate::train::summary::TrainingLength;
use crate::train::{PublishedRun, Stage, StopSignal, TrainJob};

/// Most valid rows that weights are chosen on.
const MOST_ROWS: usize = 20_000;
/// File of the leaderboard in the folder of the run.
const LEADERBOARD: &str = "ensemble.json";

/// Ensemble of models that were trained on the same rows.
#[derive(Debug, Clone)]
pub struct EnsembleJob {
    members: Vec<String>,
    name: String,
    method: EnsembleMethod,
    device: DeviceChoice,
    /// Fewest members.
    fewest: usize,
}

/// Published ensemble.
#[derive(Debug)]
pub struct PublishedEnsemble {
    /// Run and package.
    pub run: Box<PublishedRun>,
    /// Name of the metric.
    pub metric: String,
    /// All models with their scores, the best first.
    pub leaderboard: Vec<LeaderboardRow>,
}

impl PublishedEnsemble {
    /// Models that were not chosen, and that the package does not have.
    pub fn left_out(&self) -> impl Iterator<Item = &LeaderboardRow> {
        self.leaderboard.iter().filter(|row| row.weight <= 0.0)
    }
}

/// End of an [`EnsembleJob`] that did not fail.
#[derive(Debug)]
pub enum EnsembleOutcome {
    /// The package is published.
    Published(PublishedEnsemble),
    /// The training of a member was stopped.
    Stopped {
        /// Id of its run.
        run: String,
        /// Steps that its newest checkpoint holds; `None` for trees.
        step: Option<u64>,
    },
}

impl EnsembleJob {
    /// Ensemble called `name` of runs, packages or files of configs.
    pub fn new(name: impl Into<String>, members: Vec<String>, method: EnsembleMethod) -> Self {
        Self { members, name: name.into(), method, device: DeviceChoice::Auto, fewest: 2 }
    }

    /// Device that configs are trained on.
    #[must_use]
    pub fn device(self, device: DeviceChoice) -> Self {
        Self { device, ..self }
    }

    /// Allows a single member, which a preset may be left with.
    #[must_use]
    pub(crate) fn of_any_size(self) -> Self {
        Self { fewest: 1, ..self }
    }

    /// Finds or trains the members, chooses their weights on the valid rows and publishes their average.
    ///
    /// # Errors
    /// [`Error::OtherRows`] for members of other data or another split, [`Error::Ensemble`] for fewer than two.
    pub fn run(&self, session: &Session<'_>, stop: &StopSignal) -> Result<EnsembleOutcome, Error> {
        Name::new(&self.name)?;
        if self.members.len() < self.fewest {
            return Err(Error::Ensemble {
                why: format!("expected two or more members, found {}", self.members.len()),
                remedy: "name runs, packages or configs of the same data",
            });
        }
        if let Some(member) =
            (1..self.members.len()).find(|at| self.members[..*at].contains(&self.members[*at]))
        {
            return Err(named_twice(&self.members[member], ""));
        }
        session.home.check_writable()?;
        let mut candidates: Vec<Candidate> = Vec::with_capacity(self.members.len());
        for (at, member) in self.members.iter().enumerate() {
            match Candidate::find(member, session, self.device, stop)? {
                FoundCandidate::Model(candidate) => {
                    let label = candidate.package.label();
                    if let Some(same) = candidates.iter().position(|one| one.package.label() == label) {
                        let names = format!(", as {} and {}", self.members[same], self.members[at]);
                        return Err(named_twice(&label, &names));
                    }
                    candidates.push(*candidate);
                }
                FoundCandidate::Stopped { run, step } => return Ok(EnsembleOutcome::Stopped { run, step }),
            }
        }
        if let [first, others @ ..] = candidates.as_slice() {
            others.iter().try_for_each(|other| first.check_same_rows(other))?;
        }
        self.seal(session, stop, &candidates).map(EnsembleOutcome::Published)
    }

    fn seal(
        &self,
        session: &Session<'_>,
        stop: &StopSignal,
        candidates: &[Candidate],
    ) -> Result<PublishedEnsemble, Error> {
        let mut run = candidates[0].run.clone();
        (run.name, run.sealed.name) = (self.name.clone(), self.name.clone());
        let of_one_model =
            |own: &Uncertainty| matches!(own.method, UncertaintyMethod::Cqr | UncertaintyMethod::CvPlus);
        if run.uncertainty.as_ref().is_some_and(of_one_model) {
            // Their rows stay in the training split, so the other splits are the same.
            run.uncertainty = None;
            session.emit(&WorkflowEvent::Warning(
                "the intervals of the members are left out, since they need outputs that an average does not have",
            ));
        }
        let plans: Vec<&Plan> = candidates.iter().map(|candidate| &candidate.plan).collect();
        let joined = Plan::join(&plans)?;
        let roots = [std::path::PathBuf::from(".")];
        let data = session.load_sealed(&run, &roots, &joined.plan)?;
        let objectives = default_objectives(&joined.plan);
        let (goal, rows) = (Selection::of(&run, &data.prepared)?.goal, valid_rows(&data)?);
        let mut found = Vec::with_capacity(candidates.len());
        for (candidate, inputs) in candidates.iter().zip(&joined.members) {
            found.push(candidate.values(session, &joined.plan.member_places(inputs)?, &rows)?);
        }
        let (values, times): (Vec<Vec<f64>>, Vec<f64>) =
            found.into_iter().map(|own| (own.values, own.us_per_row)).unzip();
        let mut measure = Measure::new(&joined.plan, &objectives, goal, rows);
        let scores: Vec<Option<f64>> = values.iter().map(|values| measure.value(values)).collect();
        let weights = measure.weights(self.method, &values)?;
        let mut leaderboard: Vec<LeaderboardRow> = Vec::with_capacity(candidates.len());
        let each = candidates.iter().zip(&scores).zip(weights.iter().zip(&times));
        for ((candidate, score), (weight, time)) in each {
            leaderboard.push(candidate.row(goal.name(), *score, *weight, *time));
        }
        let order = |row: &LeaderboardRow| {
            let value = row.valid.unwrap_or(f64::NAN);
            if goal.larger_is_better() { -value } else { value }
        };
        leaderboard.sort_by(|a, b| order(a).total_cmp(&order(b)));
        let model = chosen(candidates, &weights)?;
        // The plan of the chosen ones may have fewer inputs.
        let data =
            if model.plan == joined.plan { data } else { session.load_sealed(&run, &roots, &model.plan)? };
        let published = self.publish(session, stop, &mut run, &data, &model, (&objectives, &leaderboard))?;
        Ok(PublishedEnsemble { run: Box::new(published), metric: goal.name().to_owned(), leaderboard })
    }

    fn publish(
        &self,
        session: &Session<'_>,
        stop: &StopSignal,
        run: &mut Run,
        data: &LoadedData,
        model: &JoinedModel,
        (objectives, leaderboard): (&[TargetObjective], &[LeaderboardRow]),
    ) -> Result<PublishedRun, Error> {
        (run.family, run.start, run.trees) = ("ensemble".to_owned(), None, None);
        let job = TrainJob::empty();
        let stage = Stage { job: &job, session, runs: session.home(), stop };
        let (folder, mut record) = create(session.home(), run, data)?;
        let _lock = folder.hold()?;
        let predictor = model.predictor(session)?;
        record.device.clone_from(&predictor.package.report.engine);
        stage.save(&folder, &record)?;
        session.emit(&WorkflowEvent::RunStarted { record: &record, folder: folder.path() });
        let about = json!({ "method": self.method, "members": leaderboard });
        folder.write(LEADERBOARD, &about)?;
        let chosen = leaderboard.iter().filter(|row| row.weight > 0.0);
        let trained = TrainedModel {
            run,
            prepared: &data.prepared,
            folder: &folder,
            weights: model.weights.clone(),
            threshold: None,
            config: model.members.to_json(),
            about: Map::from_iter([("ensemble".to_owned(), about)]),
            ended: None,
            objectives: objectives.to_vec(),
            goal: Selection::of(run, &data.prepared)?.goal,
            length: TrainingLength {
                best: None,
                epochs: None,
                seconds: chosen.filter_map(|row| row.fit_seconds).sum(),
            },
        };
        let mut outputs = JoinedOutputs { predictor, prepared: &data.prepared, objectives };
        trained.publish(&stage, record, &mut outputs)
    }
}

fn named_twice(member: &str, names: &str) -> Error {
    Error::Ensemble {
        why: format!("`{member}` is a member twice{names}"),
        remedy: "name each model once; the ensemble chooses the weights",
    }
}

/// Valid rows that weights are chosen on, evenly spaced.
fn valid_rows(data: &LoadedData) -> Result<ExamplesWithTargets, Error> {
    let valid = data.prepared.part(SplitPart::Valid);
    let rows = valid.len().min(MOST_ROWS);
    if rows == 0 {
        return Err(Error::Ensemble {
            why: "the valid split, on which the weights are chosen, has no rows".to_owned(),
            remedy: "set `split.valid` and train the members again",
        });
    }
    let indices: Vec<usize> = (0..rows).map(|row| row * valid.len() / rows).collect();
    Ok(valid.gather(&indices)?)
}

/// The candidates with a weight as one model.
fn chosen(candidates: &[Candidate], weights: &[f64]) -> Result<JoinedModel, Error> {
    let mut models = Vec::new();
    for (candidate, weight) in candidates.iter().zip(weights).filter(|(_, weight)| **weight > 0.0) {
        models.extend(SingleModel::of_package(&candidate.package, &candidate.package.label(), *weight)?);
    }
    JoinedModel::of(models)
}
