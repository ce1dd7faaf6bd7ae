//! Runs that end with their training: the trials of a study.

use cupola_prep::SplitPart;
use cupola_registry::{RunFolder, RunRecord, Status, ValidationScore};
use cupola_spec::Run;
use cupola_train::{Job, Selection, TrainOutcome};
use serde_json::{Map, Value};

use super::final_model::FinalModel;
use super::network::best_so_far;
use super::{JobOutcome, Stage};
use crate::data::loaded::LoadedData;
use crate::error::Error;

/// Run that is trained, and neither evaluated on the test split nor published.
#[derive(Debug)]
pub struct TrainedRun {
    /// Id of the run.
    pub run: String,
    /// Score on the valid split; `None` if it is undefined.
    pub valid: Option<ValidationScore>,
    /// Metrics on the valid split; empty for a network, whose events have them.
    pub metrics: Map<String, Value>,
    /// Size of the weights in bytes.
    pub size: usize,
    /// Seconds of training.
    pub seconds: f64,
}

impl Stage<'_> {
    /// Ends the run of a network, whose checkpoint has everything to publish it later.
    pub(super) fn defer_network(
        &self,
        job: &Job<'_>,
        outcome: &TrainOutcome,
        mut record: RunRecord,
    ) -> Result<JobOutcome, Error> {
        record.status = Status::Stopped;
        record.seconds = Some(outcome.progress.seconds);
        record.valid = best_so_far(job, outcome)?;
        self.save(job.folder, &record)?;
        Ok(JobOutcome::Trained(Box::new(TrainedRun {
            run: record.id,
            valid: record.valid,
            metrics: Map::new(),
            size: outcome.weights.to_safetensors()?.len(),
            seconds: outcome.progress.seconds,
        })))
    }

    /// Ends the run of trees, which are grown again to publish them.
    pub(super) fn defer_trees(
        &self,
        run: &Run,
        data: &LoadedData,
        (folder, mut record): (&RunFolder, RunRecord),
        model: &mut dyn FinalModel,
        weights: &[u8],
        seconds: f64,
    ) -> Result<JobOutcome, Error> {
        let goal = Selection::of(run, &data.prepared)?.goal;
        let metrics = model.score(SplitPart::Valid, &data.prepared.plan)?;
        let value = metrics.values.get(goal.name()).copied().filter(|value| value.is_finite());
        record.status = Status::Stopped;
        record.seconds = Some(seconds);
        record.valid = value.map(|value| ValidationScore {
            metric: goal.name().to_owned(),
            value,
            larger_is_better: goal.larger_is_better(),
        });
        self.save(folder, &record)?;
        Ok(JobOutcome::Trained(Box::new(TrainedRun {
            run: record.id,
            valid: record.valid,
            metrics: metrics.values.iter().map(|(name, value)| (name.clone(), (*value).into())).collect(),
            size: weights.len(),
            seconds,
        })))
    }
}
