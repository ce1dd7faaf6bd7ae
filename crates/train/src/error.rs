//! What can stop a run.

/// A run that cannot go on. What it has written so far stays.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The loss or a weight is no longer finite.
    #[error(
        "{what} is {value} at step {step} (epoch {epoch}); {kept}; lower train.optimizer.learning_rate, set train.clip_norm, or look for extreme values in the data"
    )]
    Diverged {
        /// `loss` or `a weight`.
        what: &'static str,
        /// NaN or inf.
        value: f64,
        /// From 1.
        step: u64,
        /// From 1.
        epoch: u64,
        /// What is left to go back to.
        kept: String,
    },
    /// The network or its weights.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// Reading the examples.
    #[error(transparent)]
    Data(#[from] cupola_prep::Error),
    /// Writing or reading the run's folder.
    #[error(transparent)]
    Record(#[from] cupola_registry::Error),
    /// A checkpoint that cannot be trusted.
    #[error("{path}: {why}; remove that folder to resume from the checkpoint before it")]
    Checkpoint {
        /// Its folder.
        path: std::path::PathBuf,
        /// What is wrong.
        why: String,
    },
    /// Another device of the group is gone.
    #[error("the devices lost each other: {why}; resume the run")]
    Group {
        /// What happened.
        why: String,
    },
    /// The device failed in the middle of a step.
    #[error("the device failed at step {step}: {why}; resume the run, or use --device flex")]
    Device {
        /// From 1.
        step: u64,
        /// What it said.
        why: String,
    },
}
