//! Events of a workflow and the observer that receives them.

mod trial;

use std::path::Path;

use cupola_eval::Metrics;
use cupola_nn::OpenDevice;
use cupola_registry::{Package, RunRecord};
use cupola_sources::{ProgressSink, ProgressUnit};
use cupola_spec::{Goal, Run};
use cupola_train::{AnomalyThreshold, EndReason, RateTrial};

pub use self::trial::{TrialProgress, TrialRow};

use crate::check::network::NetworkPlan;
use crate::data::loaded::LoadedData;
use crate::tune::preset::PresetProgress;

/// Event of a workflow, in the order in which they happen.
#[non_exhaustive]
pub enum WorkflowEvent<'a> {
    /// Collecting of one source begins, such as a download.
    CollectionStarted {
        /// Source or file.
        what: &'a str,
        /// Unit of the counts that follow.
        unit: ProgressUnit,
        /// Units in all; `None` if unknown.
        total: Option<u64>,
    },
    /// Further units of the current collection are done.
    CollectionAdvanced {
        /// Units since the last event.
        by: u64,
    },
    /// The current collection is done, or has failed.
    CollectionFinished,
    /// Examples that `prepare` kept are reused, since their inputs are unchanged.
    PreparedReused {
        /// Short key of the prepared stage.
        stage: &'a str,
    },
    /// Rows are read, split and transformed.
    DataLoaded {
        /// Run that the rows are for.
        run: &'a Run,
        /// Rows and their sources.
        data: &'a LoadedData,
    },
    /// The network's layers are known.
    NetworkPlanned(&'a NetworkPlan),
    /// A batch size was chosen for `batch_size = "auto"`.
    BatchSized {
        /// Examples of one batch.
        examples: usize,
    },
    /// A device was opened and, if it is a GPU, compared with the CPU.
    DeviceChosen(&'a OpenDevice),
    /// The run's folder exists: a new one, or that of a resumed run.
    RunStarted {
        /// Record of the run.
        record: &'a RunRecord,
        /// Folder of the run.
        folder: &'a Path,
    },
    /// Training begins; step events follow.
    TrainingStarted(TrainingPlan),
    /// Event of the training loop: a step, an evaluation, an epoch, a checkpoint.
    Training(&'a cupola_train::Event),
    /// The training loop has returned, or failed.
    TrainingFinished,
    /// The reason for which a finished training ended.
    TrainingEnded {
        /// The reason.
        reason: EndReason,
        /// Steps done.
        step: u64,
        /// Seconds of training.
        seconds: f64,
        /// Evaluations without improvement that early stopping waits for.
        patience: usize,
    },
    /// A round of boosting, or a batch of trees of a forest, is done. A forest sends it before its first batch as well.
    TreesRound {
        /// Outputs done before that of the round.
        output: usize,
    },
    /// Trees of one output are grown.
    TreesOutput {
        /// Outputs done.
        done: usize,
        /// Outputs in all.
        outputs: usize,
    },
    /// All trees are grown.
    TreesGrown {
        /// Number of trees.
        trees: usize,
    },
    /// A fold of a cross-validation begins; the events of its run follow, unless it is done.
    FoldStarted {
        /// Fold and repeat, from 0.
        place: [usize; 2],
        /// Number of folds and of repeats.
        folds: [usize; 2],
        /// `true` if an earlier process has finished it.
        reused: bool,
    },
    /// A fold of a cross-validation is done.
    FoldFinished {
        /// Fold and repeat, from 0.
        place: [usize; 2],
        /// Number of folds and of repeats.
        folds: [usize; 2],
        /// Its run.
        record: &'a RunRecord,
    },
    /// One learning rate of a range test was tried.
    RateTried(RateTrial),
    /// The score above which a row counts as an anomaly was chosen.
    AnomalyThreshold(AnomalyThreshold),
    /// A split was evaluated with the final model.
    Evaluated {
        /// `valid` or `test`.
        split: &'a str,
        /// Metrics of the split.
        metrics: &'a Metrics,
    },
    /// The package is published.
    Published {
        /// The package.
        package: &'a Package,
        /// Metrics of the test split, or of the valid split if there is no test split.
        metrics: &'a Metrics,
    },
    /// A study begins with the trials of another one, or with runs.
    WarmStarted {
        /// Name of the other study, or `runs`.
        from: &'a str,
        /// Trials whose scores are taken over.
        finished: usize,
        /// Configurations that are tried first.
        first: usize,
    },
    /// A trial of a study has ended, or a worker has begun it.
    Trial(&'a TrialProgress),
    /// A member of a preset begins or has ended.
    PresetMember(&'a PresetProgress<'a>),
    /// Something failed that does not affect the result.
    Warning(&'a str),
}

/// Goal and length of a training.
#[derive(Debug, Clone, Copy)]
pub struct TrainingPlan {
    /// Metric that decides which evaluation is the best.
    pub goal: Goal,
    /// Epochs of the run.
    pub epochs: usize,
    /// Steps in all.
    pub steps: u64,
    /// Steps that a resumed run has behind it.
    pub done: u64,
}

/// Receiver of events. Collecting may send events from other threads.
pub trait Observer: Sync {
    /// Receives an event as it happens.
    fn observe(&self, event: &WorkflowEvent<'_>);
}

impl<F: Fn(&WorkflowEvent<'_>) + Sync> Observer for F {
    fn observe(&self, event: &WorkflowEvent<'_>) {
        self(event);
    }
}

/// Observer that ignores all events.
#[derive(Debug, Clone, Copy)]
pub struct Silent;

impl Observer for Silent {
    fn observe(&self, _: &WorkflowEvent<'_>) {}
}

/// Adapter that reports the progress of collecting as events.
pub(crate) struct CollectionEvents<'a>(pub &'a dyn Observer);

impl ProgressSink for CollectionEvents<'_> {
    fn begin(&self, what: &str, unit: ProgressUnit, total: Option<u64>) {
        self.0.observe(&WorkflowEvent::CollectionStarted { what, unit, total });
    }

    fn advance(&self, by: u64) {
        self.0.observe(&WorkflowEvent::CollectionAdvanced { by });
    }

    fn end(&self) {
        self.0.observe(&WorkflowEvent::CollectionFinished);
    }
}
