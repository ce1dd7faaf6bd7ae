//! Steps behind the training of a run: it is published, or left as a trial of a study.

use cupola_nn::OpenDevice;
use cupola_prep::SplitPart;
use cupola_registry::{RunRecord, Status, ValidationScore};
use cupola_train::{Job, Selection, TrainOutcome};
use cupola_trees::Trees;
use serde_json::{Map, Value};

use super::after::{AfterTraining, GrownRun};
use super::final_model::FinalModel;
use super::network::best_so_far;
use super::trees::GrownTrees;
use super::{PublishedRun, Stage};
use crate::error::Error;

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

/// Run that is trained, and neither evaluated on the test split nor published.
#[derive(Debug)]
pub(crate) struct TrainedRun {
    /// Score on the valid split; `None` if it is undefined.
    pub valid: Option<ValidationScore>,
    /// Metrics on the valid split; empty for a network, whose events have them.
    pub metrics: Map<String, Value>,
    /// Size of the weights in bytes.
    pub size: usize,
    /// Seconds of training.
    pub seconds: f64,
}

/// Ends a run with its training. When it is resumed, it is evaluated and published.
pub(super) struct TrialEnd;

impl AfterTraining for TrialEnd {
    type Output = TrainedRun;

    /// The checkpoint has everything to publish the run later.
    fn network(
        &self,
        stage: &Stage<'_>,
        job: &Job<'_>,
        _device: &OpenDevice,
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
            seconds,
        })
    }
}
