//! Steps behind the training of a run: it is published, or left as a trial of a study.

use cupola_nn::{Network, OpenDevice, merge_lora};
use cupola_prep::SplitPart;
use cupola_registry::{RunRecord, Status, ValidationScore};
use cupola_train::{Job, Selection, TrainOutcome, logits};
use cupola_trees::Trees;
use serde_json::{Map, Value};

use super::after::{AfterTraining, GrownRun, TrainingEnd};
use super::final_model::FinalModel;
use super::network::best_so_far;
use super::trees::GrownTrees;
use super::{PublishedRun, Stage};
use crate::data::loaded::LoadedData;
use crate::error::Error;
use crate::evaluate::valid_latency;

/// Evaluates a run and publishes it.
pub(super) struct Publication;

impl AfterTraining for Publication {
    type Output = Box<PublishedRun>;

    fn network(
        &self,
        stage: &Stage<'_>,
        job: &Job<'_>,
        device: &OpenDevice,
        outcome: &TrainOutcome,
        record: RunRecord,
    ) -> Result<Self::Output, Error> {
        stage.publish(job, device, outcome, record).map(Box::new)
    }

    fn trees(&self, stage: &Stage<'_>, grown: GrownRun<'_>) -> Result<Self::Output, Error> {
        grown.publish(stage).map(Box::new)
    }
}

/// End of a [`TrainJob::train_only`](super::TrainJob::train_only) that did not fail.
#[derive(Debug)]
pub(crate) enum TrialOutcome {
    /// The run is trained, and neither evaluated on the test split nor published.
    Trained(Box<TrainedRun>),
    /// The run was stopped and can be resumed.
    Stopped,
}

impl TrialOutcome {
    pub(super) fn of(end: TrainingEnd<TrainedRun>) -> Self {
        match end {
            TrainingEnd::Trained(run) => Self::Trained(Box::new(run)),
            TrainingEnd::Stopped { .. } | TrainingEnd::Follower => Self::Stopped,
        }
    }
}

/// Run that is trained, and neither evaluated on the test split nor published.
#[derive(Debug)]
pub(crate) struct TrainedRun {
    /// Score on the valid split; `None` if it is undefined.
    pub valid: Option<ValidationScore>,
    /// Metrics on the valid split; empty for a network, whose events have them.
    pub metrics: Map<String, Value>,
    /// Size of the weights in bytes.
    pub size: usize,
    /// Median time of a forward pass of one row in microseconds; `None` where it is not measured, or without valid rows.
    pub latency: Option<f64>,
    /// Seconds of training.
    pub seconds: f64,
}

/// Ends a run with its training. When it is resumed, it is evaluated and published.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TrialEnd {
    /// `true` if the latency is measured.
    pub latency: bool,
}

impl TrialEnd {
    fn network_latency(
        self,
        job: &Job<'_>,
        device: &OpenDevice,
        outcome: &TrainOutcome,
    ) -> Result<Option<f64>, Error> {
        if !self.latency {
            return Ok(None);
        }
        let (architecture, weights) = merge_lora(job.architecture, outcome.weights.clone())?;
        let network = Network::load(&architecture, &weights, &device.device)?;
        let found =
            valid_latency(job.prepared, &mut |examples| Ok(logits(&network, &examples, &device.device)?))?;
        Ok(found.map(|latency| latency.p50_us))
    }

    fn trees_latency(self, trees: &Trees, data: &LoadedData) -> Result<Option<f64>, Error> {
        if !self.latency {
            return Ok(None);
        }
        let found = valid_latency(&data.prepared, &mut |examples| Ok(trees.logits(&examples)?))?;
        Ok(found.map(|latency| latency.p50_us))
    }
}

impl AfterTraining for TrialEnd {
    type Output = TrainedRun;

    /// The checkpoint has everything to publish the run later.
    fn network(
        &self,
        stage: &Stage<'_>,
        job: &Job<'_>,
        device: &OpenDevice,
        outcome: &TrainOutcome,
        mut record: RunRecord,
    ) -> Result<TrainedRun, Error> {
        record.status = Status::Stopped;
        record.seconds = Some(outcome.progress.seconds);
        record.valid = best_so_far(job, outcome)?;
        stage.save(job.folder, &record)?;
        Ok(TrainedRun {
            valid: record.valid,
            metrics: Map::new(),
            latency: self.network_latency(job, device, outcome)?,
            size: outcome.weights.to_safetensors()?.len(),
            seconds: outcome.progress.seconds,
        })
    }

    /// The trees are grown again to publish them.
    fn trees(&self, stage: &Stage<'_>, grown: GrownRun<'_>) -> Result<TrainedRun, Error> {
        let GrownRun { run, data, trees, folder, mut record, seconds, .. } = grown;
        let goal = Selection::of(run, &data.prepared)?.goal;
        let metrics = GrownTrees { trees, data }.score(SplitPart::Valid, &data.prepared.plan)?;
        let value = metrics.values.get(goal.name()).copied().filter(|value| value.is_finite());
        record.status = Status::Stopped;
        record.seconds = Some(seconds);
        record.valid = value.map(|value| ValidationScore {
            metric: goal.name().to_owned(),
            value,
            larger_is_better: goal.larger_is_better(),
        });
        stage.save(folder, &record)?;
        Ok(TrainedRun {
            valid: record.valid,
            metrics: metrics.values.iter().map(|(name, value)| (name.clone(), (*value).into())).collect(),
            size: trees.to_safetensors()?.len(),
            latency: self.trees_latency(trees, data)?,
            seconds,
        })
    }
}
