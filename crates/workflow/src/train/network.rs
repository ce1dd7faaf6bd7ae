//! Training of a network: device, run folder, steps.

use std::fs::File;
use std::io::Write;

use cupola_eval::{MetricSet, Metrics};
use cupola_nn::{Network, OpenDevice, activation_dtype, merge_lora};
use cupola_prep::{Examples, FittedTarget, Plan, Prepared, SplitPart};
use cupola_registry::{RunFolder, RunRecord, Status, ValidationScore};
use cupola_spec::Run;
use cupola_train::{
    EndReason, Evaluator, Job, Selection, SplitOutputs, Stop, TrainOutcome, batches_of, check_batch_norm,
    limit_rows, logits, objectives, trial_loss,
};
use serde_json::{Map, Value, json};

use super::after::{AfterTraining, TrainingEnd};
use super::final_model::FinalModel;
use super::publish::TrainedModel;
use super::record::with_same_data;
use super::summary::TrainingLength;
use super::{PublishedRun, Stage};
use crate::check::network::NetworkPlan;
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::event::{TrainingPlan, WorkflowEvent};
use crate::machine::device::verified;

/// Trains the network of a run, and does what comes after.
pub(super) fn train<A: AfterTraining>(
    stage: &Stage<'_>,
    mut run: Run,
    data: &LoadedData,
    resumed: Option<(RunFolder, RunRecord)>,
    after: &A,
) -> Result<TrainingEnd<A::Output>, Error> {
    let network = NetworkPlan::of(&run, &data.prepared.plan)?;
    stage.session.emit(&WorkflowEvent::NetworkPlanned(&network));
    let device = stage.device(&mut run, data, &network)?;
    let dtype = activation_dtype(run.train.precision, &device.device, &device.name)?;
    let (folder, mut record) = match resumed {
        Some((folder, record)) => (folder, with_same_data(record, data)?),
        None => stage.begin(&run, data)?,
    };
    let group = &stage.job.group;
    let _lock = group.leads().then(|| folder.hold()).transpose()?;
    record.status = Status::Running;
    record.device = match group.size() {
        1 => device.to_string(),
        n => format!("{n} x {device}"),
    };
    if group.leads() {
        stage.save(&folder, &record)?;
    }
    stage.session.emit(&WorkflowEvent::RunStarted { record: &record, folder: folder.path() });
    let job = Job {
        run: &run,
        prepared: &data.prepared,
        architecture: &network.architecture,
        start: data.pretrained.as_ref().map(|start| &start.weights),
        device: device.device.clone(),
        activation_dtype: dtype,
        folder: &folder,
        max_steps: stage.job.step_limit(),
        fault: None,
    };
    match stage.fit(&job, &device, data) {
        Ok(_) if !group.leads() => Ok(TrainingEnd::Follower),
        Err(error) if !group.leads() => Err(error),
        Err(error) => Err(stage.failed(&folder, record, error)),
        Ok(outcome) if outcome.ended == EndReason::Stopped => {
            record.status = Status::Stopped;
            record.seconds = Some(outcome.progress.seconds);
            record.valid = best_so_far(&job, &outcome)?;
            stage.save(&folder, &record)?;
            Ok(TrainingEnd::Stopped { run: record.id, step: Some(outcome.progress.step) })
        }
        Ok(outcome) => after.network(stage, &job, &device, &outcome, record).map(TrainingEnd::Trained),
    }
}

impl Stage<'_> {
    /// Opens the device, sizes the batch by its memory and compares a GPU with the CPU.
    fn device(&self, run: &mut Run, data: &LoadedData, network: &NetworkPlan) -> Result<OpenDevice, Error> {
        let choice = self.job.device;
        let device = self.job.group.own(self.session.open_device(choice)?)?;
        let gpu = device.is_gpu();
        if !self.session.size_batch(run, network, data, gpu) && !gpu {
            network.memory(run).fits_this_machine()?;
        }
        let loss = trial_loss(&objectives(run, &data.prepared));
        let device = verified(device, choice, &network.architecture, loss, run.train.batch_size)?;
        self.session.emit(&WorkflowEvent::DeviceChosen(&device));
        Ok(device)
    }

    /// Folder of a new run, which the leading process creates.
    fn begin(&self, run: &Run, data: &LoadedData) -> Result<(RunFolder, RunRecord), Error> {
        let group = &self.job.group;
        if group.leads() {
            let (folder, record) = self.create(run, data)?;
            group.broadcast(record.id.clone())?;
            return Ok((folder, record));
        }
        let folder = RunFolder::open(self.runs, &group.broadcast(String::new())?)?;
        let record = folder.record()?;
        Ok((folder, record))
    }

    /// Runs the training loop. The leading process writes each event into the run's folder.
    fn fit(&self, job: &Job<'_>, device: &OpenDevice, data: &LoadedData) -> Result<TrainOutcome, Error> {
        let group = &self.job.group;
        self.session.emit(&WorkflowEvent::TrainingStarted(plan(job, data)?));
        let mut log = EventLog { folder: job.folder, file: None };
        let mut failure = None;
        let result = group.fit(job, device, &mut |event| {
            if group.leads() {
                if let Err(error) = log.append(event) {
                    failure = Some(error);
                    return Stop::Yes;
                }
                self.session.emit(&WorkflowEvent::Training(event));
            }
            if self.stop.is_requested() { Stop::Yes } else { Stop::No }
        });
        self.session.emit(&WorkflowEvent::TrainingFinished);
        match failure {
            Some(error) => Err(error),
            None => result,
        }
    }

    /// Evaluates and publishes the trained weights.
    pub(super) fn publish(
        &self,
        job: &Job<'_>,
        device: &OpenDevice,
        outcome: &TrainOutcome,
        record: RunRecord,
    ) -> Result<PublishedRun, Error> {
        let run = job.run;
        self.session.emit(&WorkflowEvent::TrainingEnded {
            reason: outcome.ended,
            step: outcome.progress.step,
            seconds: outcome.progress.seconds,
            patience: run.train.early_stop.patience,
        });
        let (architecture, weights) = merge_lora(job.architecture, outcome.weights.clone())?;
        let network = Network::load(&architecture, &weights, &device.device)?;
        let evaluator = Evaluator {
            plan: &job.prepared.plan,
            objectives: objectives(run, job.prepared),
            device: &device.device,
        };
        let threshold = evaluator.anomaly_threshold(&network, job.prepared)?;
        if let Some(threshold) = threshold {
            self.session.emit(&WorkflowEvent::AnomalyThreshold(threshold));
        }
        let model = TrainedModel {
            run,
            prepared: job.prepared,
            folder: job.folder,
            weights: weights.to_safetensors()?,
            threshold: threshold.map(|threshold| threshold.value),
            config: serde_json::to_value(&architecture)?,
            about: about(job, outcome)?,
            ended: Some(outcome.ended),
            objectives: evaluator.objectives.clone(),
            goal: Selection::of(run, job.prepared)?.goal,
            length: TrainingLength {
                best: outcome.progress.best.clone(),
                epochs: Some(run.train.epochs),
                seconds: outcome.progress.seconds,
            },
        };
        let mut network = FinalNetwork { network: &network, evaluator: &evaluator, prepared: job.prepared };
        model.publish(self, record, &mut network)
    }
}

/// Network with the rows to evaluate it on.
struct FinalNetwork<'a> {
    network: &'a Network,
    evaluator: &'a Evaluator<'a>,
    prepared: &'a Prepared,
}

impl FinalModel for FinalNetwork<'_> {
    fn score(&mut self, part: SplitPart, plan: &Plan) -> Result<Metrics, Error> {
        let rows = self.prepared.part(part);
        let evaluator =
            Evaluator { plan, objectives: self.evaluator.objectives.clone(), device: self.evaluator.device };
        Ok(evaluator.evaluate(self.network, rows, rows.len(), MetricSet::All)?)
    }

    fn outputs(&mut self, part: SplitPart) -> Result<Option<SplitOutputs>, Error> {
        if matches!(self.evaluator.plan.targets.first(), FittedTarget::NextToken { .. }) {
            return Ok(None);
        }
        let rows = self.prepared.part(part);
        Ok(Some(self.evaluator.outputs(self.network, rows, rows.len())?))
    }

    fn logits(&mut self, examples: &Examples) -> Result<Vec<f32>, Error> {
        Ok(logits(self.network, examples, self.evaluator.device)?)
    }
}

/// Score of the best evaluation of a run that is stopped; `None` before the first one.
pub(super) fn best_so_far(job: &Job<'_>, outcome: &TrainOutcome) -> Result<Option<ValidationScore>, Error> {
    let Some(best) = outcome.progress.best.as_ref().filter(|best| best.value.is_finite()) else {
        return Ok(None);
    };
    let goal = Selection::of(job.run, job.prepared)?.goal;
    let (metric, larger_is_better) = (goal.name().to_owned(), goal.larger_is_better());
    Ok(Some(ValidationScore { metric, value: best.value, larger_is_better }))
}

/// Entries of `metrics.json` and of the command's result beside the metrics.
fn about(job: &Job<'_>, outcome: &TrainOutcome) -> Result<Map<String, Value>, Error> {
    let mut about = Map::from_iter([
        ("steps".to_owned(), json!(outcome.progress.step)),
        ("best".to_owned(), json!(outcome.progress.best)),
    ]);
    if let Some(replaced) = Selection::of(job.run, job.prepared)?.replaced {
        about.insert("warnings".to_owned(), json!([replaced.to_string()]));
    }
    Ok(about)
}

/// Goal and length of the training that the loop is about to do.
fn plan(job: &Job<'_>, data: &LoadedData) -> Result<TrainingPlan, Error> {
    let train = &job.run.train;
    let rows = limit_rows(data.train_rows(), train.limit_train);
    let least = check_batch_norm(train, job.architecture, Some(rows))?;
    let all = batches_of(rows, train.batch_size, least) * train.epochs as u64;
    Ok(TrainingPlan {
        goal: Selection::of(job.run, job.prepared)?.goal,
        epochs: train.epochs,
        steps: job.max_steps.map_or(all, |most| most.min(all)),
        done: job.folder.checkpoint_steps()?.last().copied().unwrap_or(0),
    })
}

/// `events.jsonl` of a run. Opened with the first event, since the loop rewinds the file of a resumed run
/// before that.
struct EventLog<'a> {
    folder: &'a RunFolder,
    file: Option<File>,
}

impl EventLog<'_> {
    /// Appends an event. Only a file that does not open is an error: a lost event must not end the run.
    fn append(&mut self, event: &cupola_train::Event) -> Result<(), Error> {
        let file = match &mut self.file {
            Some(file) => file,
            empty => empty.insert(self.folder.events()?),
        };
        if let Ok(mut line) = serde_json::to_vec(event) {
            line.push(b'\n');
            let _ = file.write_all(&line);
        }
        Ok(())
    }
}
