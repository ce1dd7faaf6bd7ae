//! Errors that end a run.

use crate::group::GroupError;

/// Error that ends a run. Checkpoints and events that are already written stay.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The loss or a weight is no longer finite.
    #[error(
        "{what} is {value} at step {step} (epoch {epoch}); {kept}; lower train.optimizer.learning_rate, set train.clip_norm, or look for extreme values in the data"
    )]
    Diverged {
        /// The value that is not finite: `loss`, `a weight` or the gradients' norm.
        what: &'static str,
        /// Its value: NaN or infinite.
        value: f64,
        /// Number of the step, from 1.
        step: u64,
        /// Number of the epoch, from 1.
        epoch: u64,
        /// Statement about the checkpoint to return to.
        kept: String,
    },
    /// The network or its weights are invalid.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// The examples cannot be read.
    #[error(transparent)]
    Data(#[from] cupola_prep::Error),
    /// The run's folder cannot be written or read.
    #[error(transparent)]
    Record(#[from] cupola_registry::Error),
    /// A checkpoint is damaged or of another format.
    #[error("damaged checkpoint {path}: {why}; remove this folder to resume from the previous checkpoint")]
    Checkpoint {
        /// Folder of the checkpoint.
        path: std::path::PathBuf,
        /// Reason.
        why: String,
    },
    /// Another device of the group has stopped.
    #[error("lost the connection between devices: {0}; resume the run")]
    Group(#[from] GroupError),
    /// The device failed in the middle of a step.
    #[error("the device failed at step {step}: {why}; resume the run, or use --device flex")]
    Device {
        /// Number of the step, from 1.
        step: u64,
        /// Error message of the device.
        why: String,
    },
}
