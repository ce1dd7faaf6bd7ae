//! Training of trees: no steps and no device, but the same record and package.

use std::ops::ControlFlow;
use std::time::Instant;

use cupola_eval::Metrics;
use cupola_prep::{Examples, ExamplesWithTargets, FittedTarget, NumberOutputs, Plan, SplitPart, Targets};
use cupola_registry::{RunFolder, RunRecord, Status};
use cupola_spec::{Run, TreesSpec, Trend};
use cupola_train::{Selection, SplitOutputs, default_objectives, unreported_metric};
use cupola_trees::{OutOfBag, Trees, TreesRows, TreesTarget};
use serde_json::{Map, Value, json};

use super::after::{AfterTraining, GrownRun, TrainingEnd};
use super::final_model::FinalModel;
use super::publish::TrainedModel;
use super::record::with_same_data;
use super::summary::TrainingLength;
use super::{PublishedRun, Stage};
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::evaluate::OUT_OF_BAG;
use crate::event::WorkflowEvent;

/// Grows trees, and does what comes after. A resumed run has no checkpoint: its trees grow anew, and are the same.
pub(super) fn train<A: AfterTraining>(
    stage: &Stage<'_>,
    run: &Run,
    data: &LoadedData,
    spec: &TreesSpec,
    resumed: Option<(RunFolder, RunRecord)>,
    after: &A,
) -> Result<TrainingEnd<A::Output>, Error> {
    let train = in_memory(data, SplitPart::Train)?;
    let valid = Some(in_memory(data, SplitPart::Valid)?).filter(|valid| valid.examples.rows > 0);
    let undefined = unreported_metric(run, &data.prepared, SplitPart::Valid, "valid")?;
    let undefined = undefined.as_ref().map(ToString::to_string);
    if let Some(undefined) = &undefined {
        stage.session.emit(&WorkflowEvent::Warning(undefined));
    }
    let monotone = monotone(spec, &data.prepared.plan)?;
    let (folder, mut record) = match resumed {
        Some((folder, record)) => (folder, with_same_data(record, data)?),
        None => stage.create(run, data)?,
    };
    let _lock = folder.hold()?;
    record.status = Status::Running;
    "trees on the CPU".clone_into(&mut record.device);
    stage.save(&folder, &record)?;
    stage.session.emit(&WorkflowEvent::RunStarted { record: &record, folder: folder.path() });
    let started = Instant::now();
    let trees = match grow(stage, (run, spec), &data.prepared.plan, (&train, valid.as_ref()), &monotone) {
        Ok(trees) => trees,
        Err(Error::Trees(cupola_trees::Error::Stopped)) => {
            record.status = Status::Stopped;
            record.seconds = Some(started.elapsed().as_secs_f64());
            stage.save(&folder, &record)?;
            return Ok(TrainingEnd::Stopped { run: record.id, step: None });
        }
        Err(error) => return Err(stage.failed(&folder, record, error)),
    };
    stage.session.emit(&WorkflowEvent::TreesGrown { trees: trees.trees() });
    let seconds = started.elapsed().as_secs_f64();
    let grown = GrownRun { run, data, trees: &trees, folder: &folder, record, seconds, undefined };
    after.trees(stage, grown).map(TrainingEnd::Trained)
}

impl GrownRun<'_> {
    /// Evaluates and publishes the trees.
    pub(super) fn publish(self, stage: &Stage<'_>) -> Result<PublishedRun, Error> {
        let Self { run, data, trees, folder, record, seconds, undefined } = self;
        let (prepared, plan) = (&data.prepared, &data.prepared.plan);
        let mut about = Map::from_iter([("trees".to_owned(), json!(trees.trees()))]);
        if let Some(TreesSpec::Forest(_)) = &run.trees {
            about.insert(OUT_OF_BAG.to_owned(), out_of_bag(run, data, trees)?);
        }
        about.extend(undefined.map(|undefined| ("warnings".to_owned(), json!([undefined]))));
        let columns = json!({ "width": plan.width(), "columns": plan.layout() });
        let model = TrainedModel {
            run,
            prepared,
            folder,
            weights: trees.to_safetensors()?,
            threshold: None,
            config: json!({ "family": run.family, "trees": columns }),
            about,
            ended: None,
            objectives: default_objectives(plan),
            goal: Selection::of(run, prepared)?.goal,
            length: TrainingLength { best: None, epochs: None, seconds },
        };
        model.publish(stage, record, &mut GrownTrees { trees, data })
    }
}

/// Metrics of the training rows, each predicted by the trees that have not drawn it, and the number of these rows.
fn out_of_bag(run: &Run, data: &LoadedData, trees: &Trees) -> Result<Value, Error> {
    let plan = &data.prepared.plan;
    let train = in_memory(data, SplitPart::Train)?;
    let targets: Vec<TreesTarget<'_>> =
        plan.targets.iter().zip(&train.targets).flat_map(|(target, own)| outputs_of(target, own)).collect();
    let OutOfBag { rows, logits } = trees.out_of_bag(&train.examples, &targets, run.seed)?;
    let mut examples = data.prepared.part(SplitPart::Train).gather(&rows)?;
    // Metrics need the number of rows only.
    (examples.examples.dense, examples.examples.indices) = (Vec::new(), Vec::new());
    let metrics = SplitOutputs { logits, examples }.metrics(plan, &default_objectives(plan));
    Ok(json!({ "rows": rows.len(), "metrics": metrics.values }))
}

/// Trees with the rows to evaluate them on.
pub(super) struct GrownTrees<'a> {
    pub trees: &'a Trees,
    pub data: &'a LoadedData,
}

impl FinalModel for GrownTrees<'_> {
    fn score(&mut self, part: SplitPart, plan: &Plan) -> Result<Metrics, Error> {
        let outputs = self.outputs(part)?;
        Ok(outputs.map(|outputs| outputs.metrics(plan, &default_objectives(plan))).unwrap_or_default())
    }

    fn outputs(&mut self, part: SplitPart) -> Result<Option<SplitOutputs>, Error> {
        let examples = in_memory(self.data, part)?;
        Ok(Some(SplitOutputs { logits: self.trees.logits(&examples.examples)?, examples }))
    }

    fn logits(&mut self, examples: &Examples) -> Result<Vec<f32>, Error> {
        Ok(self.trees.logits(examples)?)
    }
}

fn grow(
    stage: &Stage<'_>,
    (run, spec): (&Run, &TreesSpec),
    plan: &Plan,
    (train, valid): (&ExamplesWithTargets, Option<&ExamplesWithTargets>),
    monotone: &[i8],
) -> Result<Trees, Error> {
    let mut targets = Vec::new();
    for (index, (target, own)) in plan.targets.iter().zip(&train.targets).enumerate() {
        let valid = valid.and_then(|valid| valid.targets.iter().nth(index));
        targets.extend(outputs_of(target, own).into_iter().map(|own| TreesTarget { valid, ..own }));
    }
    let valid = valid.map(|valid| &valid.examples);
    let rows = TreesRows { train: &train.examples, valid, monotone };
    let outputs = plan.width();
    let mut shown = 0;
    let mut grown = |done: usize| {
        stage.session.emit(&WorkflowEvent::TreesRound { output: done });
        if done > shown {
            shown = done;
            stage.session.emit(&WorkflowEvent::TreesOutput { done, outputs });
        }
        if stage.stop.is_requested() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    Ok(Trees::fit(spec, rows, &targets, run.seed, &mut grown)?)
}

/// Direction of each value of an example, which scores may only rise (1) or fall (-1) with; 0 for any.
fn monotone(spec: &TreesSpec, plan: &Plan) -> Result<Vec<i8>, Error> {
    let TreesSpec::Boosted(spec) = spec else { return Ok(Vec::new()) };
    let mut directions = Vec::new();
    for (column, trend) in &spec.monotone {
        let places = plan.column_places();
        let numbers = || places.iter().filter(|place| place.dense.len() == 1 && place.indices.is_empty());
        let Some(place) = numbers().find(|place| place.column == *column) else {
            let near = cupola_spec::nearest(column, numbers().map(|place| place.column.as_str()));
            let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
            return Err(cupola_trees::Error::Monotone { column: column.clone(), near }.into());
        };
        if directions.len() <= place.dense[0] {
            directions.resize(place.dense[0] + 1, 0);
        }
        directions[place.dense[0]] = if *trend == Trend::Rising { 1 } else { -1 };
    }
    Ok(directions)
}

/// Outputs of a target: its own, and a quantile each.
fn outputs_of<'a>(target: &FittedTarget, targets: &'a Targets) -> Vec<TreesTarget<'a>> {
    let own = TreesTarget::from((targets, target.width()));
    match target {
        FittedTarget::Number { outputs, shift, factor, .. } => {
            let own = TreesTarget { width: 1, scaling: [*shift, *factor], ..own };
            let levels = match outputs {
                NumberOutputs::Quantiles(levels) => levels.as_slice(),
                NumberOutputs::Value | NumberOutputs::Folds(_) => &[],
            };
            let quantiles = levels.iter().map(|level| TreesTarget { quantile: Some(*level), ..own });
            std::iter::once(own).chain(quantiles).collect()
        }
        _ => vec![own],
    }
}

fn in_memory(data: &LoadedData, part: SplitPart) -> Result<ExamplesWithTargets, Error> {
    data.prepared.part(part).memory().ok_or(Error::TreesOnStream)
}
