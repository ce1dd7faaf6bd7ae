//! Inputs and results of a run.

use burn::tensor::{Device, FloatDType};
use cupola_nn::{Architecture, StateDict};
use cupola_prep::Prepared;
use cupola_registry::RunFolder;
use cupola_spec::Run;

use crate::checkpoint::ResumeState;
use crate::event::EndReason;

/// Inputs of a training run: what to train, on which data and device, and where to write it.
pub struct Job<'a> {
    /// Configuration of the run.
    pub run: &'a Run,
    /// Prepared examples.
    pub prepared: &'a Prepared,
    /// Architecture of the network.
    pub architecture: &'a Architecture,
    /// Weights to start from, named by the paths of their modules; `None` for new weights.
    pub start: Option<&'a StateDict>,
    /// Device to train on, without autodiff.
    pub device: Device,
    /// Type of activations and gradients; `None` for 32 bits. See `cupola_nn::activation_dtype`.
    pub activation_dtype: Option<FloatDType>,
    /// Folder of the run, to which checkpoints are written.
    pub folder: &'a RunFolder,
    /// Largest number of steps; `None` for no limit.
    pub max_steps: Option<u64>,
    /// Hook that is called with the number of examples before each forward pass. Its panics count as device
    /// failures, which tests simulate in this way.
    pub fault: Option<&'a (dyn Fn(usize) + Sync)>,
}

/// Result of a run.
pub struct TrainOutcome {
    /// Reason for the end.
    pub ended: EndReason,
    /// State of the run.
    pub progress: ResumeState,
    /// Weights of the best evaluation, or of the last step if there was no evaluation; their moving average
    /// if `train.ema` is set.
    pub weights: StateDict,
}
