//! End of a run: evaluated and published.

use cupola_prep::{Examples, Plan, Prepared, Signature, SplitPart};
use cupola_registry::{
    Aliases, EMBEDDINGS, EXAMPLE, GATE, Home, Lineage, MONITOR, Package, PackageContents, RunDataset,
    RunFolder, RunRecord, Status, ValidationScore, publish, published_by, sha256_hex,
};
use cupola_report::Evaluation;
use cupola_spec::{Goal, Run};
use cupola_train::{ColumnImportance, EndReason, TargetObjective, permutation_importance, unreported_metric};
use serde_json::{Map, Value};

use super::decisions::SealedDecisions;
use super::final_model::FinalModel;
use super::summary::{MeasuredBaseline, SplitMetrics, TrainingLength, TrainingSummary};
use super::{PublishedRun, Stage};
use crate::CODE_VERSION;
use crate::error::Error;
use crate::evaluate::gate::{
    GateReport, Opponent, SplitOrigin, conditions_of, judge, other_version, sealed_gate, unfair_comparison,
};
use crate::evaluate::{EarlierComparison, OUT_OF_BAG, RunEvaluation};
use crate::event::WorkflowEvent;
use crate::models::monitor::{PredictedSplit, sealed_embeddings, sealed_profile};

/// Warning about a run without test rows.
fn untested(family: &str) -> String {
    let (valid, unseen) = match family {
        // Its trees grow without the valid split.
        "random_forest" => ("which selects nothing of a forest", "no choice of settings has seen"),
        "gbdt" => ("which also selects the number of trees", "training has not seen"),
        _ => ("which also selects the best epoch", "training has not seen"),
    };
    format!(
        "the test split has no rows; the reported metrics are those of the valid split, {valid}; set `split.test` to \
         measure rows that {unseen}"
    )
}

/// Result of training, before it is evaluated.
pub(crate) struct TrainedModel<'a> {
    pub run: &'a Run,
    pub prepared: &'a Prepared,
    pub folder: &'a RunFolder,
    /// `model.safetensors`
    pub weights: Vec<u8>,
    /// Score above which a row counts as an anomaly, if the model finds any.
    pub threshold: Option<f64>,
    /// `config.json`
    pub config: Value,
    /// Entries of `metrics.json` beside the metrics.
    pub about: Map<String, Value>,
    pub ended: Option<EndReason>,
    pub objectives: Vec<TargetObjective>,
    /// Metric that chose the weights.
    pub goal: Goal,
    pub length: TrainingLength,
}

impl TrainedModel<'_> {
    /// Evaluates the valid and test splits and publishes the package.
    pub fn publish(
        self,
        stage: &Stage<'_>,
        mut record: RunRecord,
        model: &mut dyn FinalModel,
    ) -> Result<PublishedRun, Error> {
        let sealed = SealedDecisions::fit(self.run, self.prepared, model)?;
        for warning in &sealed.warnings {
            stage.session.emit(&WorkflowEvent::Warning(warning));
        }
        let baseline = MeasuredBaseline::of(self.prepared, &self.objectives)?;
        let (splits, mut evaluation, predicted) = self.evaluate(stage, model, &sealed, baseline.as_ref())?;
        let importance = self.importance(model)?;
        evaluation.out_of_bag = self.about.get(OUT_OF_BAG).cloned();
        evaluation.explain(&importance, &mut |examples| model.logits(&examples))?;
        let latency = evaluation.latency(&mut |examples| model.logits(&examples))?;
        let mut all = self.about.clone();
        all.extend(sealed.about.clone());
        all.insert("splits".to_owned(), Value::Object(evaluation.added_to(splits.to_json()?)?));
        all.extend(baseline.as_ref().map(|baseline| ("baseline".to_owned(), baseline.to_json())));
        all.insert("evaluation".to_owned(), evaluation.sealed(latency, self.weights.len())?);
        if !importance.is_empty() {
            all.insert("importance".to_owned(), serde_json::to_value(&importance)?);
        }
        let dependence = evaluation.dependence()?;
        if !dependence.is_null() {
            all.insert("dependence".to_owned(), dependence);
        }
        self.folder.write("metrics.json", &all)?;
        let metrics = splits.last();
        let summary = TrainingSummary {
            intervals: evaluation.goal_intervals(),
            ..self.summary(&splits, baseline.as_ref(), importance)
        };
        record.valid = summary.valid.map(|value| ValidationScore {
            metric: summary.metric.clone(),
            value,
            larger_is_better: summary.larger_is_better,
        });
        record.seconds = Some(summary.seconds);
        record.metrics = metrics.values.iter().map(|(name, value)| (name.clone(), (*value).into())).collect();
        let gate = self.gate(stage, &evaluation.judged(latency), &sealed.plan, &record.dataset, model)?;
        let (package, gate) =
            self.package(stage, &record, sealed.plan.clone(), &all, gate, predicted.as_ref())?;
        if let Some(gate) = &gate {
            self.folder.write(GATE, gate)?;
        }
        // A finished run is not resumed, so its report comes before that.
        let report = evaluation.write_report(self.folder, &record, &package, latency, self.weights.len());
        let report = report.unwrap_or_else(|error| {
            stage.session.emit(&WorkflowEvent::Warning(&format!("the report is not written: {error}")));
            None
        });
        record.status = Status::Finished;
        record.package = Some(package.label());
        stage.save(self.folder, &record)?;
        stage.session.emit(&WorkflowEvent::Published { package: &package, metrics: &metrics });
        Ok(PublishedRun {
            run: record.id,
            package: package.label(),
            path: package.path,
            folder: self.folder.path().to_owned(),
            report,
            device: record.device,
            metrics: record.metrics,
            about: self.about,
            ended: self.ended,
            summary,
            gate,
        })
    }

    fn summary(
        &self,
        splits: &SplitMetrics,
        baseline: Option<&MeasuredBaseline>,
        importance: Vec<ColumnImportance>,
    ) -> TrainingSummary {
        let [valid, test] = splits.values(self.goal);
        TrainingSummary {
            metric: self.goal.name().to_owned(),
            larger_is_better: self.goal.larger_is_better(),
            valid,
            test,
            positive: splits.last().positive,
            baseline: baseline.map(|baseline| baseline.score(self.goal)),
            intervals: [None; 2],
            best: self.length.best.clone(),
            epochs: self.length.epochs,
            seconds: self.length.seconds,
            importance,
        }
    }

    fn importance(&self, model: &mut dyn FinalModel) -> Result<Vec<ColumnImportance>, Error> {
        let mut logits = |examples: &Examples| model.logits(examples);
        permutation_importance(self.prepared, &self.objectives, self.run.seed, &mut logits)
    }

    /// Metrics and evaluation of each split that has rows, and the outputs of the last one.
    fn evaluate<'a>(
        &'a self,
        stage: &Stage<'_>,
        model: &mut dyn FinalModel,
        sealed: &'a SealedDecisions,
        baseline: Option<&MeasuredBaseline>,
    ) -> Result<(SplitMetrics, RunEvaluation<'a>, Option<PredictedSplit>), Error> {
        let mut splits = SplitMetrics::default();
        let mut predicted = None;
        let mut evaluation =
            RunEvaluation::new(self.run, self.prepared, &sealed.plan, &self.objectives, self.goal);
        for (split, part) in [("valid", SplitPart::Valid), ("test", SplitPart::Test)] {
            if self.prepared.rows(part) > 0 {
                let outputs = model.outputs(part)?;
                let mut metrics = match &outputs {
                    Some(outputs) => outputs.metrics(&sealed.plan, &self.objectives),
                    None => model.score(part, &sealed.plan)?,
                };
                if part == SplitPart::Test {
                    metrics.values.extend(sealed.coverage.clone());
                }
                // Training has said it of the valid split.
                if part == SplitPart::Test
                    && let Some(undefined) = unreported_metric(self.run, self.prepared, part, split)?
                {
                    stage.session.emit(&WorkflowEvent::Warning(&undefined.to_string()));
                }
                stage.session.emit(&WorkflowEvent::Evaluated { split, metrics: &metrics });
                let baseline = baseline.and_then(|baseline| baseline.metrics(part));
                evaluation.add(split, part, outputs.as_ref(), &metrics, baseline);
                predicted = outputs.map(|outputs| PredictedSplit::of(split, &sealed.plan, &outputs));
                match part {
                    SplitPart::Test => splits.test = Some(metrics),
                    _ => splits.valid = Some(metrics),
                }
            }
        }
        if splits.test.is_none() && splits.valid.is_some() {
            stage.session.emit(&WorkflowEvent::Warning(&untested(&self.run.family)));
        }
        Ok((splits, evaluation, predicted))
    }

    /// Judges the conditions of the config; `None` without any, and in a smoke run, whose three steps meet none.
    fn gate(
        &self,
        stage: &Stage<'_>,
        evaluation: &Evaluation,
        plan: &Plan,
        dataset: &RunDataset,
        model: &mut dyn FinalModel,
    ) -> Result<Option<GateReport>, Error> {
        let config = &self.run.sealed;
        if config.gate.is_empty() || stage.job.smoke {
            return Ok(None);
        }
        let conditions = conditions_of(&config.gate, &config.targets, "[gate]")?;
        let mut opponent = |reference: &str| {
            let earlier = match other_version(stage.runs, &self.run.name, reference) {
                Ok(Some(earlier)) => earlier,
                Ok(None) => return Opponent::Absent,
                Err(error) => return Opponent::Incomparable(error.to_string()),
            };
            let comparison = EarlierComparison {
                run: self.run,
                prepared: self.prepared,
                plan,
                objectives: &self.objectives,
                name: "this run",
            };
            let compared =
                stage.session.compare_earlier(&comparison, &earlier, &mut |examples| model.logits(examples));
            let own = SplitOrigin { run: self.run, dataset };
            compared.map_or_else(
                |error| Opponent::Incomparable(error.to_string()),
                |comparison| Opponent::Compared {
                    comparison,
                    warning: unfair_comparison(stage.runs, &own, &earlier),
                },
            )
        };
        Ok(Some(judge(&conditions, evaluation, &mut opponent)))
    }

    /// Publishes the package with its gate. `latest` moves to it unless the gate is broken.
    fn package(
        &self,
        stage: &Stage<'_>,
        record: &RunRecord,
        mut plan: Plan,
        metrics: &Map<String, Value>,
        gate: Option<GateReport>,
        predicted: Option<&PredictedSplit>,
    ) -> Result<(Package, Option<GateReport>), Error> {
        if let Some(threshold) = self.threshold {
            plan.set_threshold(threshold);
        }
        let plan = &plan;
        let config = serde_json::to_vec_pretty(&self.config)?;
        let plan_json = serde_json::to_vec_pretty(plan)?;
        let metrics = serde_json::to_vec_pretty(metrics)?;
        let example = self.prepared.example.as_ref().map(serde_json::to_vec).transpose()?;
        let mut files: Vec<(&str, &[u8])> = vec![
            ("model.safetensors", &self.weights),
            ("config.json", &config),
            ("plan.json", &plan_json),
            ("metrics.json", &metrics),
        ];
        files.extend(example.as_deref().map(|example| (EXAMPLE, example)));
        let gate_json = gate.as_ref().map(serde_json::to_vec_pretty).transpose()?;
        files.extend(gate_json.as_deref().map(|gate| (GATE, gate)));
        let profile = self.profile(stage, plan, &plan_json, predicted);
        files.extend(profile.as_deref().map(|profile| (MONITOR, profile)));
        let embeddings = self.embeddings(stage, plan, &plan_json);
        files.extend(embeddings.as_deref().map(|embeddings| (EMBEDDINGS, embeddings)));
        // A process that was killed after it had published has left the package without a record. Its verdict stands:
        // a latency or an alias may have changed since.
        let earlier = published_by(stage.runs, &self.run.name, &record.id)?;
        if let Some(package) = earlier.filter(|package| is_model(package, &files)) {
            if package.passed_gate()? {
                advance_latest(stage.runs, &package)?;
            }
            let gate = sealed_gate(&package)?;
            return Ok((package, gate));
        }
        let lineage = Lineage {
            run: record.id.clone(),
            dataset_version: record.dataset.source.sha256.clone(),
            config_sha256: record.config_sha256.clone(),
            code_version: CODE_VERSION.to_owned(),
            parent: self.run.start.as_ref().map(|start| start.package.clone()),
        };
        let package = PackageContents {
            name: &self.run.name,
            files: &files,
            signature: serde_json::to_value(Signature::of(plan))?,
            lineage,
            metrics: record.metrics.clone(),
            keep_latest: gate.as_ref().is_some_and(|gate| !gate.passed),
        };
        Ok((publish(stage.runs, &package)?, gate))
    }

    /// Embeddings for monitoring. They are values of rows, so a config without an example seals none.
    fn embeddings(&self, stage: &Stage<'_>, plan: &Plan, plan_json: &[u8]) -> Option<Vec<u8>> {
        if !self.run.data.example {
            return None;
        }
        let sealed = sealed_embeddings(self.prepared, plan, plan_json, &self.config, &self.weights);
        sealed.unwrap_or_else(|error| {
            stage.session.emit(&WorkflowEvent::Warning(&format!("the package has no embeddings: {error}")));
            None
        })
    }

    /// Profile for monitoring. A model is published without one rather than not at all.
    fn profile(
        &self,
        stage: &Stage<'_>,
        plan: &Plan,
        plan_json: &[u8],
        predicted: Option<&PredictedSplit>,
    ) -> Option<Vec<u8>> {
        let private = !self.run.data.example;
        sealed_profile(self.prepared, plan, plan_json, predicted, private).unwrap_or_else(|error| {
            stage.session.emit(&WorkflowEvent::Warning(&format!("the package has no profile: {error}")));
            None
        })
    }
}

/// `true` if a package holds this model. Its metrics and gate may differ, since they have times, and so may its example and
/// its profile and embeddings.
fn is_model(package: &Package, files: &[(&str, &[u8])]) -> bool {
    let others = ["metrics.json", EXAMPLE, GATE, MONITOR, EMBEDDINGS];
    let mut model = files.iter().filter(|(name, _)| !others.contains(name));
    model.all(|(name, bytes)| {
        package.manifest.files.get(*name).is_some_and(|sha256| *sha256 == sha256_hex(bytes))
    })
}

/// Moves `latest` to a package unless it is at a newer version.
fn advance_latest(home: &Home, package: &Package) -> Result<(), Error> {
    let (name, version) = (&package.manifest.name, package.manifest.version);
    let latest = Aliases::read(home, name)?.get("latest").copied();
    if latest.is_none_or(|latest| latest < version) {
        Aliases::set(home, name, "latest", version, Some(latest))?;
    }
    Ok(())
}
