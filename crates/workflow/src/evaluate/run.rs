//! Evaluation at the end of a run.

use std::path::PathBuf;

use cupola_eval::Metrics;
use cupola_prep::{AuditRows, Examples, Plan, Prepared, SplitPart};
use cupola_registry::{Package, RunFolder, RunRecord};
use cupola_report::{Evaluation, Latency, Metric, ModelSection, SplitEvaluation};
use cupola_spec::{Goal, Run};
use cupola_train::{ColumnImportance, SplitOutputs, TargetObjective};
use serde_json::{Map, Value};

use super::EvaluationOptions;
use super::data_section::data_section;
use super::dependence::{DependenceRequest, importance_of};
use super::learning::learning_curves;
use super::model_section::{latency, of_package};
use super::target::SplitToEvaluate;
use super::write::{dependence_json, evaluation_json, sealed_document, write_page};
use crate::error::Error;

/// Rows that the latency is measured with.
const LATENCY_ROWS: usize = 32;
/// Seconds for the latency, so that it does not lengthen a short run.
const LATENCY_SECONDS: f64 = 0.1;
/// Seconds for the dependence on columns, for the same reason.
const DEPENDENCE_SECONDS: f64 = 0.5;

/// Time of a forward pass of one row of the valid split; `None` without valid rows.
pub(crate) fn valid_latency(
    prepared: &Prepared,
    forward: &mut dyn FnMut(Examples) -> Result<Vec<f32>, Error>,
) -> Result<Option<Latency>, Error> {
    let part = prepared.part(SplitPart::Valid);
    let rows: Vec<usize> = (0..LATENCY_ROWS.min(part.len())).collect();
    latency(&part.gather(&rows)?.examples, LATENCY_SECONDS, forward)
}

/// Evaluations of the splits of a run, and what its report needs beside them.
pub(crate) struct RunEvaluation<'a> {
    run: &'a Run,
    prepared: &'a Prepared,
    /// Plan that decodes logits, with the decisions that were fitted after training.
    plan: &'a Plan,
    objectives: &'a [TargetObjective],
    goal: Goal,
    splits: Vec<SplitEvaluation>,
    /// Metrics of the training rows of a forest by the trees that have not drawn them.
    pub out_of_bag: Option<Value>,
}

impl<'a> RunEvaluation<'a> {
    pub fn new(
        run: &'a Run,
        prepared: &'a Prepared,
        plan: &'a Plan,
        objectives: &'a [TargetObjective],
        goal: Goal,
    ) -> Self {
        Self { run, prepared, plan, objectives, goal, splits: Vec::new(), out_of_bag: None }
    }

    /// Evaluates a split.
    pub fn add(
        &mut self,
        split: &str,
        part: SplitPart,
        outputs: Option<&SplitOutputs>,
        metrics: &Metrics,
        baseline: Option<&Metrics>,
    ) {
        let options = EvaluationOptions::of(&self.run.evaluate, self.run.seed);
        let split = SplitToEvaluate {
            split,
            plan: self.plan,
            objectives: self.objectives,
            outputs,
            metrics,
            baseline,
            audit: self.prepared.audit(part),
            goal: Some(self.goal.name()),
        };
        self.splits.push(split.evaluate(&options));
    }

    /// Intervals of the goal on the valid and the test split.
    pub fn goal_intervals(&self) -> [Option<(f64, f64)>; 2] {
        ["valid", "test"].map(|name| {
            let split = self.splits.iter().find(|split| split.split == name)?;
            let [target] = split.targets.as_slice() else { return None };
            let is_goal = |metric: &&Metric| metric.name == self.goal.name();
            target.metrics.iter().find(is_goal).and_then(|metric| metric.interval)
        })
    }

    /// `splits` of `metrics.json` with intervals, reasons and slices.
    pub fn added_to(&self, mut splits: Map<String, Value>) -> Result<Map<String, Value>, Error> {
        for split in &self.splits {
            if let Some(Value::Object(found)) = splits.get_mut(&split.split) {
                found.extend(evaluation_json(split)?);
            }
        }
        Ok(splits)
    }

    /// Document that gates judge: the metrics of the splits and the time per row.
    pub fn judged(&self, latency: Option<Latency>) -> Evaluation {
        let model =
            ModelSection { latency, goal: Some(self.goal.name().to_owned()), ..ModelSection::default() };
        Evaluation { model, splits: self.splits.clone(), ..Evaluation::default() }
    }

    /// Adds the importance of columns to the last split of a run with one target, and the dependence of the predictions on
    /// the most important columns to each of its targets.
    ///
    /// # Errors
    /// Errors of `forward`, which returns logits `[rows, width]`.
    pub fn explain(
        &mut self,
        importance: &[ColumnImportance],
        forward: &mut dyn FnMut(Examples) -> Result<Vec<f32>, Error>,
    ) -> Result<(), Error> {
        let Some(last) = self.splits.last_mut() else { return Ok(()) };
        let part = if last.split == "test" { SplitPart::Test } else { SplitPart::Valid };
        if let [target] = last.targets.as_mut_slice() {
            target.importance = importance_of(importance);
        }
        if !self.run.evaluate.report {
            return Ok(());
        }
        let request = DependenceRequest {
            plan: self.plan,
            audit: self.prepared.audit(part),
            important: importance,
            seed: self.run.seed,
            seconds: DEPENDENCE_SECONDS,
        };
        for (target, curves) in last.targets.iter_mut().zip(request.curves(forward)?) {
            target.dependence = curves;
        }
        Ok(())
    }

    /// `dependence` of `metrics.json`; null without any.
    pub fn dependence(&self) -> Result<Value, Error> {
        self.splits.last().map_or(Ok(Value::Null), dependence_json)
    }

    /// Time of a forward pass of one row.
    pub fn latency(
        &self,
        forward: &mut dyn FnMut(Examples) -> Result<Vec<f32>, Error>,
    ) -> Result<Option<Latency>, Error> {
        if !self.run.evaluate.report && self.run.sealed.gate.is_empty() {
            return Ok(None);
        }
        valid_latency(self.prepared, forward)
    }

    /// `evaluation` of `metrics.json`: metrics with intervals, subgroups, and the model's size and latency.
    pub fn sealed(&self, latency: Option<Latency>, bytes: usize) -> Result<Value, Error> {
        let model = ModelSection {
            family: self.run.family.clone(),
            bytes: bytes as u64,
            latency,
            goal: Some(self.goal.name().to_owned()),
            ..ModelSection::default()
        };
        sealed_document(&Evaluation { model, splits: self.splits.clone(), ..Evaluation::default() })
    }

    /// Writes the page into the folder of the run, if it is wanted; returns its path.
    pub fn write_report(
        self,
        folder: &RunFolder,
        record: &RunRecord,
        package: &Package,
        latency: Option<Latency>,
        bytes: usize,
    ) -> Result<Option<PathBuf>, Error> {
        if !self.run.evaluate.report {
            return Ok(None);
        }
        let parts = [("train", SplitPart::Train), ("valid", SplitPart::Valid), ("test", SplitPart::Test)];
        let audits: Vec<(&str, &AuditRows)> =
            parts.iter().map(|(name, part)| (*name, self.prepared.audit(*part))).collect();
        let mut model = ModelSection {
            family: self.run.family.clone(),
            bytes: bytes as u64,
            run: Some(record.id.clone()),
            goal: Some(self.goal.name().to_owned()),
            ..of_package(package, &record.device, latency)
        };
        model.facts.push(("time per row".to_owned(), "measured with the engine that trained".to_owned()));
        if let Some(found) = &self.out_of_bag {
            let value = found["metrics"].get(self.goal.name()).and_then(Value::as_f64);
            let text = |value| format!("{value:.4} on {} training rows", found["rows"]);
            model.facts.extend(value.map(|value| (format!("out-of-bag {}", self.goal.name()), text(value))));
        }
        let evaluation = Evaluation {
            model,
            data: data_section(&self.prepared.plan, &self.run.data.source.patterns().join(", "), &audits),
            learning: learning_curves(folder.path()),
            splits: self.splits,
            comparison: None,
        };
        write_page(folder.path(), &evaluation).map(Some)
    }
}
