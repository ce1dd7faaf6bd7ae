//! Inputs and results of a run, and its entry points.

use burn::tensor::{Device, FloatDType};
use cupola_nn::{Architecture, StateDict};
use cupola_prep::Prepared;
use cupola_registry::RunFolder;
use cupola_spec::Run;

use super::Trainer;
use crate::checkpoint::ResumeState;
use crate::error::Error;
use crate::event::{EndReason, Event, Stop};
use crate::group::{DeviceGroup, SingleDevice};

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

/// Trains from the run's newest checkpoint, or from the start if there is none. `observer` receives every
/// event and may request a stop.
///
/// # Errors
/// [`Error::Diverged`] for a loss that is not finite, and errors of the folder and the device.
pub fn fit(job: &Job<'_>, observer: &mut dyn FnMut(&Event) -> Stop) -> Result<TrainOutcome, Error> {
    fit_in_group(job, &SingleDevice, observer)
}

/// Trains as one rank of a group, all of which start from the same folder. Only rank 0 writes, and only its
/// outcome has weights.
///
/// # Errors
/// The errors of [`fit`]; [`Error::Group`] if another rank has stopped.
pub fn fit_in_group(
    job: &Job<'_>,
    group: &dyn DeviceGroup,
    observer: &mut dyn FnMut(&Event) -> Stop,
) -> Result<TrainOutcome, Error> {
    let mut trainer = Trainer::new(job, group)?;
    let ended = trainer.run(observer)?;
    let weights = if trainer.group.leads() { trainer.weights(ended)? } else { StateDict::default() };
    Ok(TrainOutcome { ended, progress: trainer.resume_state(), weights })
}

impl Trainer<'_> {
    /// Weights of the outcome of a run that has ended.
    fn weights(&self, ended: EndReason) -> Result<StateDict, Error> {
        let best = self.early_stopping.best.as_ref().map(|best| best.step);
        match best {
            Some(step) if step != self.position.step && ended != EndReason::Stopped => {
                Ok(self.checkpointer.read(step)?.to_publish())
            }
            _ => match self.average.network() {
                Some(average) => Ok(average.state_dict()?),
                None => Ok(self.network()?.state_dict()?),
            },
        }
    }
}

/// `share` of `rows`, rounded up.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub fn limit_rows(rows: usize, share: f64) -> usize {
    ((rows as f64 * share).ceil() as usize).min(rows)
}
