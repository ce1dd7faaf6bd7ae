//! Events of a run, and the requests of its observer.

use serde::Serialize;

/// Metrics of an evaluation by name.
pub type MetricValues = serde_json::Map<String, serde_json::Value>;

/// Event of a run, one line of `events.jsonl`.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A step is done.
    Step {
        /// Number of the step, from 1.
        step: u64,
        /// Number of the epoch, from 1.
        epoch: u64,
        /// Loss of the batch.
        loss: f64,
        /// Learning rate of the step.
        learning_rate: f64,
        /// Global gradient norm before clipping; `None` without clipping.
        #[serde(skip_serializing_if = "Option::is_none")]
        grad_norm: Option<f64>,
        /// Number of examples of the batch.
        examples: u64,
        /// Duration of the step in seconds.
        seconds: f64,
    },
    /// A step ran out of device memory and was repeated with smaller micro-batches.
    SmallerParts {
        /// Number of the step, from 1.
        step: u64,
        /// Number of examples of a micro-batch from this step on; the batch keeps its size.
        micro_batch: u64,
        /// Error message of the device.
        why: String,
    },
    /// An evaluation between two steps is done.
    Evaluation {
        /// Number of completed steps.
        step: u64,
        /// Number of the epoch, from 1.
        epoch: u64,
        /// Metrics of the valid split.
        valid: MetricValues,
        /// `true` if this is the best evaluation so far.
        best: bool,
    },
    /// An epoch is done.
    Epoch {
        /// Number of completed steps.
        step: u64,
        /// Number of the epoch, from 1.
        epoch: u64,
        /// Mean loss of the epoch.
        train_loss: f64,
        /// Metrics of the valid split; empty if it was not evaluated.
        valid: MetricValues,
        /// `true` if this is the best evaluation so far.
        best: bool,
        /// Resident memory of the process in MiB.
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_mib: Option<f64>,
    },
    /// A checkpoint is written and synced to disk.
    Checkpoint {
        /// Number of completed steps.
        step: u64,
    },
    /// The metric of the run is undefined on the valid split, which is known before the first step.
    MetricReplaced {
        /// Number of completed steps.
        step: u64,
        /// Name of the metric.
        metric: &'static str,
        /// Name of the metric that selects the best evaluation instead; `None` without a valid split.
        #[serde(skip_serializing_if = "Option::is_none")]
        fallback: Option<&'static str>,
        /// Reason, effect and remedy.
        why: String,
    },
    /// The metric of the run is undefined in an evaluation, which does not count as an improvement. The event is
    /// sent for the first such evaluation only.
    MetricUndefined {
        /// Number of completed steps.
        step: u64,
        /// Number of the epoch, from 1.
        epoch: u64,
        /// Name of the metric.
        metric: &'static str,
        /// Effect on the run.
        why: String,
    },
    /// The last batch of an epoch is one example, which batch norm cannot normalise, and joins the batch before.
    BatchMerged {
        /// Number of completed steps.
        step: u64,
        /// Number of examples of the joined batch.
        examples: u64,
        /// Description.
        why: String,
    },
}

/// Reason for the end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// All epochs are done.
    Epochs,
    /// The metric has not improved for `patience` evaluations.
    EarlyStop,
    /// The limit of `--max-steps` is reached.
    MaxSteps,
    /// The limit of `train.time_budget` is reached.
    TimeBudget,
    /// The observer requested it; a checkpoint is written.
    Stopped,
}

/// Request of the observer after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Continue.
    No,
    /// Write a checkpoint and stop.
    Yes,
}
