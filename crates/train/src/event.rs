//! What a run tells while it goes on, and what its observer may answer.

use serde::Serialize;

/// Metrics of an evaluation by name.
pub type Values = serde_json::Map<String, serde_json::Value>;

/// What happens in a run, one line of `events.jsonl` each.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// After a step.
    Step {
        /// From 1.
        step: u64,
        /// From 1.
        epoch: u64,
        /// Of this batch.
        loss: f64,
        /// Of this step.
        learning_rate: f64,
        /// Global norm before clipping, where there is clipping.
        #[serde(skip_serializing_if = "Option::is_none")]
        grad_norm: Option<f64>,
        /// In this batch.
        examples: u64,
        /// Of this step.
        seconds: f64,
    },
    /// A step did not fit the device's memory and was done again in smaller parts.
    SmallerParts {
        /// From 1.
        step: u64,
        /// Examples in memory at once from now on; the step's batch is as large as before.
        micro_batch: u64,
        /// What the device said.
        why: String,
    },
    /// After an evaluation between two steps.
    Evaluation {
        /// Steps done.
        step: u64,
        /// From 1.
        epoch: u64,
        /// Metrics of the valid split.
        valid: Values,
        /// Whether this is the best so far.
        best: bool,
    },
    /// After an epoch.
    Epoch {
        /// Steps done.
        step: u64,
        /// From 1.
        epoch: u64,
        /// Mean over the epoch.
        train_loss: f64,
        /// Metrics of the valid split, where it was evaluated.
        valid: Values,
        /// Whether this is the best so far.
        best: bool,
        /// Memory of the process, in MiB.
        #[serde(skip_serializing_if = "Option::is_none")]
        memory_mib: Option<f64>,
    },
    /// After a checkpoint is safe on disk.
    Checkpoint {
        /// Steps done.
        step: u64,
    },
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// All epochs.
    Epochs,
    /// No improvement for `patience` evaluations.
    EarlyStop,
    /// `--max-steps`
    MaxSteps,
    /// `train.time_budget`
    TimeBudget,
    /// On request; a checkpoint is written.
    Stopped,
}

/// What the observer wants after an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Go on.
    No,
    /// Write a checkpoint and stop.
    Yes,
}
