//! Package of a cross-validation: the average of the models of all folds.

use std::path::PathBuf;

use cupola_eval::Metrics;
use cupola_prep::{FittedTarget, FoldedRows, Plan, Prepared, Signature, SplitPart};
use cupola_registry::{
    EXAMPLE, GATE, Home, Lineage, MONITOR, Package, PackageContents, RunRecord, Status, ValidationScore,
    publish,
};
use cupola_report::Latency;
use cupola_spec::{Run, Uncertainty, UncertaintyMethod};
use cupola_train::{Selection, SplitOutputs, default_objectives};
use serde_json::{Map, Value, json};

use super::outcome::{CrossValidation, FoldScore, means};
use crate::CODE_VERSION;
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::evaluate::RunEvaluation;
use crate::evaluate::gate::{GateReport, Opponent, conditions_of, judge};
use crate::event::WorkflowEvent;
use crate::models::monitor::sealed_profile;
use crate::session::Session;
use crate::train::decisions::folds::{FoldIntervals, UnseenRows, seal_fold_intervals};
use crate::train::final_model::FinalModel;
use crate::train::record::create;
use crate::tune::ensemble::join::{JoinedModel, JoinedOutputs, SingleModel};

/// Finished folds of a config.
pub(super) struct FinishedFolds<'a> {
    /// Run of the config with its own split.
    pub run: &'a Run,
    /// Runs of the folds with their repeat and fold.
    pub records: Vec<(RunRecord, [usize; 2])>,
    /// Their packages.
    pub packages: Vec<Package>,
    /// Names, folders and scores; publishing adds the rest.
    pub outcome: CrossValidation,
}

impl FinishedFolds<'_> {
    /// Models of the folds as one, each with the same weight.
    pub fn joined(&self) -> Result<JoinedModel, Error> {
        let mut models = Vec::with_capacity(self.packages.len());
        for ((record, _), package) in self.records.iter().zip(&self.packages) {
            models.extend(SingleModel::of_package(package, &record.id, 1.0)?);
        }
        let mut model = JoinedModel::of(models)?;
        set_mean_thresholds(&mut model);
        Ok(model)
    }

    /// Plan with the intervals of CV+ and its entry of `metrics.json`, if the config asks for them. `outputs` are the predictions of `rows` by the models of the first repeat
    /// that have not seen them, so each row counts once.
    pub fn intervals<'a>(
        &self,
        session: &Session<'_>,
        model: &JoinedModel,
        outputs: &SplitOutputs,
        rows: &'a FoldedRows,
    ) -> Option<(Plan, Value)> {
        let method = |own: &&Uncertainty| own.method == UncertaintyMethod::CvPlus;
        let uncertainty = self.run.uncertainty.as_ref().filter(method)?;
        let own = |((_, [repeat, _]), fold): (&(RunRecord, [usize; 2]), &'a Vec<usize>)| {
            if *repeat == 0 { fold.as_slice() } else { &[] }
        };
        let folds = self.records.iter().zip(&rows.folds).map(own).collect();
        let unseen = UnseenRows { outputs, folds, groups: &rows.prepared.test_groups };
        let FoldIntervals { sealed, warning } = seal_fold_intervals(&model.plan, uncertainty, &unseen);
        if let Some(text) = &warning {
            session.emit(&WorkflowEvent::Warning(text));
        }
        sealed
    }

    /// Publishes the joined model, with intervals if there are any. `outputs` are the predictions of all test rows by the
    /// models that have not seen them.
    pub fn publish(
        self,
        session: &Session<'_>,
        data: &LoadedData,
        model: &JoinedModel,
        (outputs, intervals): (Option<&SplitOutputs>, Option<(Plan, Value)>),
    ) -> Result<CrossValidation, Error> {
        let run = Run { family: "ensemble".to_owned(), start: None, trees: None, ..self.run.clone() };
        let (home, prepared, plan) = (session.home(), &data.prepared, &model.plan);
        let objectives = default_objectives(plan);
        let goal = Selection::of(&run, prepared)?.goal;
        let (folder, mut record) = create(home, &run, data)?;
        let _lock = folder.hold()?;
        let predictor = model.predictor(session)?;
        record.device.clone_from(&predictor.package.report.engine);
        let mut outcome = self.outcome;
        (outcome.metric, outcome.larger_is_better) = (goal.name().to_owned(), goal.larger_is_better());
        outcome.metrics = means(&outcome.scores, outcome.folds, outcome.repeats);
        let mean = |(name, metric): (&String, &super::FoldMetric)| (name.clone(), metric.mean);
        record.metrics = outcome.metrics.iter().map(mean).map(|(name, mean)| (name, mean.into())).collect();
        record.valid = mean_valid(&self.records);
        record.seconds = Some(outcome.scores.iter().filter_map(|score| score.seconds).sum());
        let measured = match outputs {
            Some(outputs) => outputs.metrics(plan, &objectives),
            None => Metrics { values: outcome.metrics.iter().map(mean).collect(), ..Metrics::default() },
        };
        let mut evaluation = RunEvaluation::new(&run, prepared, plan, &objectives, goal);
        evaluation.add("test", SplitPart::Test, outputs, &measured, None);
        let mut joined = JoinedOutputs { predictor, prepared, objectives: &objectives };
        let latency = latency(&mut joined, prepared)?;
        let gate = gate(&run, &evaluation, latency)?;
        let splits = Map::from_iter([("test".to_owned(), serde_json::to_value(&measured)?)]);
        let mut metrics = json!({
            "splits": evaluation.added_to(splits)?,
            "cross_validation": about(&outcome),
            "evaluation": evaluation.sealed(latency, model.weights.len())?,
        });
        if let Some((_, about)) = &intervals {
            metrics["uncertainty"] = about.clone();
        }
        folder.write("metrics.json", &metrics)?;
        let sealed = intervals.as_ref().map_or(plan, |(sealed, _)| sealed);
        let package = seal(home, &record, (model, sealed), prepared, (&metrics, gate.as_ref()))?;
        outcome.report =
            evaluation.write_report(&folder, &record, &package, latency, model.weights.len()).ok().flatten();
        (record.status, record.package) = (Status::Finished, Some(package.label()));
        folder.save(&record)?;
        session.index(home);
        (outcome.package, outcome.run) = (package.label(), record.id);
        outcome.gate = gate;
        Ok(outcome)
    }
}

/// `cross_validation` of `metrics.json`.
fn about(outcome: &CrossValidation) -> Value {
    let CrossValidation { by, folds, repeats, metric, scores, metrics, .. } = outcome;
    json!({
        "by": by, "folds": folds, "repeats": repeats, "metric": metric, "metrics": metrics, "scores": scores,
        "folder": outcome.folder, "nested": outcome.nested,
    })
}

/// Gives each target of two classes the mean of the thresholds of its folds.
#[allow(clippy::cast_precision_loss)]
fn set_mean_thresholds(model: &mut JoinedModel) {
    let members = &model.members.members;
    for (index, target) in model.plan.targets.iter_mut().enumerate() {
        let FittedTarget::Category { threshold, .. } = target else { continue };
        let own = members.iter().map(|member| match member.targets.iter().nth(index) {
            Some(FittedTarget::Category { threshold, .. }) => *threshold,
            _ => None,
        });
        let all: Option<Vec<f64>> = own.collect();
        *threshold = all.map(|all| all.iter().sum::<f64>() / all.len().max(1) as f64);
    }
}

/// Mean of the scores by which the folds chose their weights; `None` unless all have the same metric.
#[allow(clippy::cast_precision_loss)]
fn mean_valid(records: &[(RunRecord, [usize; 2])]) -> Option<ValidationScore> {
    let all: Vec<&ValidationScore> =
        records.iter().map(|(record, _)| record.valid.as_ref()).collect::<Option<_>>()?;
    let first = *all.first()?;
    let same = all.iter().all(|score| score.metric == first.metric);
    let value = all.iter().map(|score| score.value).sum::<f64>() / all.len() as f64;
    same.then(|| ValidationScore { value, ..first.clone() })
}

/// Time of a forward pass of one row.
fn latency(model: &mut JoinedOutputs<'_>, prepared: &Prepared) -> Result<Option<Latency>, Error> {
    let test = prepared.part(SplitPart::Test);
    let rows: Vec<usize> = (0..test.len().min(32)).collect();
    let examples = test.gather(&rows)?.examples;
    crate::evaluate::model_section::latency(&examples, 0.1, &mut |one| model.logits(&one))
}

/// Judges the conditions of the config on the predictions of rows that the models have not seen.
fn gate(
    run: &Run,
    evaluation: &RunEvaluation<'_>,
    latency: Option<Latency>,
) -> Result<Option<GateReport>, Error> {
    let config = &run.sealed;
    if config.gate.is_empty() {
        return Ok(None);
    }
    let conditions = conditions_of(&config.gate, &config.targets, "[gate]")?;
    let why = "a cross-validation has no test rows that an earlier version has not seen";
    let mut opponent = |_: &str| Opponent::Incomparable(why.to_owned());
    Ok(Some(judge(&conditions, &evaluation.judged(latency), &mut opponent)))
}

fn seal(
    home: &Home,
    record: &RunRecord,
    (model, plan): (&JoinedModel, &Plan),
    prepared: &Prepared,
    (metrics, gate): (&Value, Option<&GateReport>),
) -> Result<Package, Error> {
    let config = serde_json::to_vec_pretty(&model.members.to_json())?;
    let plan_json = serde_json::to_vec_pretty(plan)?;
    let metrics_json = serde_json::to_vec_pretty(metrics)?;
    let example = prepared.example.as_ref().map(serde_json::to_vec).transpose()?;
    let gate_json = gate.map(serde_json::to_vec_pretty).transpose()?;
    let mut files: Vec<(&str, &[u8])> = vec![
        ("model.safetensors", &model.weights),
        ("config.json", &config),
        ("plan.json", &plan_json),
        ("metrics.json", &metrics_json),
    ];
    files.extend(example.as_deref().map(|example| (EXAMPLE, example)));
    files.extend(gate_json.as_deref().map(|gate| (GATE, gate)));
    // Every row has been trained on by all models but one, so there are no predictions for unseen rows. A package without a
    // profile serves as well.
    let profile = sealed_profile(prepared, plan, &plan_json, None, prepared.example.is_none());
    let profile = profile.unwrap_or_default();
    files.extend(profile.as_deref().map(|profile| (MONITOR, profile)));
    let lineage = Lineage {
        run: record.id.clone(),
        dataset_version: record.dataset.source.sha256.clone(),
        config_sha256: record.config_sha256.clone(),
        code_version: CODE_VERSION.to_owned(),
        parent: None,
    };
    let contents = PackageContents {
        name: &record.name,
        files: &files,
        signature: serde_json::to_value(Signature::of(plan))?,
        lineage,
        metrics: record.metrics.clone(),
        keep_latest: gate.is_some_and(|gate| !gate.passed),
    };
    Ok(publish(home, &contents)?)
}

impl CrossValidation {
    /// Cross-validation whose folds are done, before it is published.
    pub(super) fn finished(
        run: &Run,
        by: &str,
        [folds, repeats]: [usize; 2],
        folder: PathBuf,
        scores: Vec<FoldScore>,
    ) -> Self {
        Self {
            name: run.name.clone(),
            package: String::new(),
            run: String::new(),
            folder,
            by: by.to_owned(),
            folds,
            repeats,
            nested: false,
            metric: String::new(),
            larger_is_better: false,
            scores,
            metrics: indexmap::IndexMap::new(),
            predictions: None,
            report: None,
            gate: None,
        }
    }
}
