//! Interface of what comes after a training.

use cupola_nn::OpenDevice;
use cupola_registry::{RunFolder, RunRecord};
use cupola_spec::Run;
use cupola_train::{Job, TrainOutcome};
use cupola_trees::Trees;

use super::Stage;
use crate::data::loaded::LoadedData;
use crate::error::Error;

/// Step behind the training of a run.
pub(super) trait AfterTraining {
    /// Result of the step.
    type Output;

    /// Step behind the last one of a network.
    fn network(
        &self,
        stage: &Stage<'_>,
        job: &Job<'_>,
        device: &OpenDevice,
        outcome: &TrainOutcome,
        record: RunRecord,
    ) -> Result<Self::Output, Error>;

    /// Step behind the growth of trees.
    fn trees(&self, stage: &Stage<'_>, grown: GrownRun<'_>) -> Result<Self::Output, Error>;
}

/// Trees of a run.
pub(super) struct GrownRun<'a> {
    pub run: &'a Run,
    pub data: &'a LoadedData,
    pub trees: &'a Trees,
    pub folder: &'a RunFolder,
    pub record: RunRecord,
    /// Seconds of training.
    pub seconds: f64,
    /// Reason for which the metric that selects a model is undefined on the valid split.
    pub undefined: Option<String>,
}

/// End of a training that did not fail.
pub(super) enum TrainingEnd<T> {
    /// Trained, with the result of the step behind the training.
    Trained(T),
    /// Stopped, with the fields of [`JobOutcome::Stopped`](super::JobOutcome::Stopped).
    Stopped { run: String, step: Option<u64> },
    /// Trained in another process of the group.
    Follower,
}
