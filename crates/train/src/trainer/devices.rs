//! Training on several devices of one process.

use burn::tensor::Device;

use super::{fit, fit_in_group};
use crate::error::Error;
use crate::event::{Event, Stop};
use crate::group::{DeviceGroup, GroupError, thread_ranks};
use crate::job::{Job, TrainOutcome};

/// Trains as [`crate::fit`] on several devices of this process, each with a part of every batch. `job.device`
/// is used only if it is among `devices`.
///
/// # Errors
/// The errors of [`crate::fit`], from the device that fails first.
pub fn fit_on_devices(
    job: &Job<'_>,
    devices: &[Device],
    observer: &mut dyn FnMut(&Event) -> Stop,
) -> Result<TrainOutcome, Error> {
    let mut ranks = thread_ranks(devices.len()).into_iter();
    let (Some(first), Some(own)) = (ranks.next(), devices.first()) else { return fit(job, observer) };
    let with = |device: &Device| Job { device: device.clone(), ..*job };
    std::thread::scope(|scope| {
        let others: Vec<_> = ranks
            .zip(&devices[1..])
            .map(|(group, device)| {
                // Panics of threads with this name are not printed; they are reported as errors.
                let thread = std::thread::Builder::new().name(format!("engine-rank-{}", group.rank()));
                let job = with(device);
                thread.spawn_scoped(scope, move || fit_in_group(&job, &group, &mut |_| Stop::No).map(|_| ()))
            })
            .collect();
        let outcome = fit_in_group(&with(own), &first, observer);
        drop(first);
        for other in others {
            let gone = |why: String| Error::Group(GroupError(why));
            let other = other.map_err(|error| gone(error.to_string()))?;
            let found = other.join().map_err(|_| gone("the thread of a device panicked".into()))?;
            // A group error only reports that another rank has failed.
            if let Err(error) = found
                && !matches!(error, Error::Group(_))
            {
                return Err(error);
            }
        }
        outcome
    })
}
