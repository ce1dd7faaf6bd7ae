//! Entry points of a run.

use cupola_nn::StateDict;

use super::Trainer;
use crate::error::Error;
use crate::event::{EndReason, Event, Stop};
use crate::group::{DeviceGroup, SingleDevice};
use crate::job::{Job, TrainOutcome};

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
