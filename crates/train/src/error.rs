//! Errors that end a run.

use cupola_nn::PanicError;
use cupola_registry::RunFolder;

use crate::group::GroupError;

/// Error that ends a run. Checkpoints and events that are already written stay.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Loss, gradient or weight that is no longer finite.
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
    /// Batch norm that would see a single example at once.
    #[error("layer {layer} (batch_norm) requires at least two examples at once, but {what}; {remedy}")]
    BatchNorm {
        /// Name of the layer.
        layer: String,
        /// Setting that leads to one example.
        what: &'static str,
        /// Remedy.
        remedy: &'static str,
    },
    /// Invalid network or weights.
    #[error(transparent)]
    Network(#[from] cupola_nn::Error),
    /// Examples that could not be read.
    #[error(transparent)]
    Data(#[from] cupola_prep::Error),
    /// Run folder that could not be written or read.
    #[error(transparent)]
    Record(#[from] cupola_registry::Error),
    /// Checkpoint that is damaged or of another format.
    #[error("damaged checkpoint {path}: {why}; remove this folder to resume from the previous checkpoint")]
    Checkpoint {
        /// Folder of the checkpoint.
        path: std::path::PathBuf,
        /// Reason.
        why: String,
    },
    /// Lost connection: another device of the group has stopped.
    #[error("lost the connection between devices: {0}; resume the run")]
    Group(#[from] GroupError),
    /// Failure of the device in the middle of a step.
    #[error("the device failed at step {step}: {why}; resume the run, or use --device flex")]
    Device {
        /// Number of the step, from 1.
        step: u64,
        /// Error message of the device.
        why: String,
    },
}

impl Error {
    /// [`Error::Diverged`] for `value` at a step, which is counted from 1, of an epoch, which is counted from
    /// 0. The newest checkpoint of `folder` is the one to return to.
    ///
    /// # Errors
    /// [`Error::Record`] if the folder cannot be read.
    pub(crate) fn diverged(
        folder: &RunFolder,
        what: &'static str,
        value: f64,
        step: u64,
        epoch: u64,
    ) -> Result<Self, Self> {
        let kept = match folder.checkpoint_steps()?.last() {
            Some(last) => format!("the checkpoint of step {last} is kept"),
            None => "no checkpoint was written yet".to_owned(),
        };
        Ok(Self::Diverged { what, value, step, epoch: epoch + 1, kept })
    }
}

/// Failure of a device: the message of its driver or of a panic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeviceFailure(String);

impl From<PanicError> for DeviceFailure {
    fn from(panic: PanicError) -> Self {
        Self(panic.into())
    }
}

impl DeviceFailure {
    #[allow(clippy::needless_pass_by_value, reason = "for `map_err`")]
    pub(crate) fn new(error: impl std::fmt::Display) -> Self {
        Self(error.to_string())
    }

    /// Failure of a step whose network was lost in an earlier failure.
    pub(crate) fn lost_weights() -> Self {
        Self("the weights were lost in a failed step".to_owned())
    }

    /// `true` if the message reports a lack of memory.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        let why = self.0.to_lowercase();
        ["out of memory", "outofmemory", "out_of_device_memory", "out_of_host_memory", "not enough memory"]
            .iter()
            .any(|words| why.contains(words))
    }

    /// The error of a run whose step fails in this way.
    pub(crate) fn at(self, step: u64) -> Error {
        Error::Device { step, why: self.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lack_of_memory_is_told_from_other_failures() {
        for why in ["CUDA error: out of memory", "VK_ERROR_OUT_OF_DEVICE_MEMORY", "Not enough memory left"] {
            assert!(DeviceFailure::new(why).is_out_of_memory(), "{why}");
        }
        assert!(!DeviceFailure::new("device lost").is_out_of_memory());
    }
}
