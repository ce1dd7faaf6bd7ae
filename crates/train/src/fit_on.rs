//! A run on several devices of one process.

use burn::tensor::Device;

use crate::error::Error;
use crate::event::{Event, Stop};
use crate::fit::{Job, Outcome, fit, fit_among};
use crate::group::{Group, together};

/// [`crate::fit`] on several devices of this process, each with a part of every batch. `job.device` is not
/// among them unless it is named.
///
/// # Errors
/// As [`crate::fit`], from whichever device fails first.
pub fn fit_on(
    job: &Job<'_>,
    devices: &[Device],
    observer: &mut dyn FnMut(&Event) -> Stop,
) -> Result<Outcome, Error> {
    let mut ranks = together(devices.len()).into_iter();
    let (Some(first), Some(own)) = (ranks.next(), devices.first()) else { return fit(job, observer) };
    let with = |device: &Device| Job { device: device.clone(), ..*job };
    std::thread::scope(|scope| {
        let others: Vec<_> = ranks
            .zip(&devices[1..])
            .map(|(group, device)| {
                // The name keeps panics quiet: they are told as errors.
                let thread = std::thread::Builder::new().name(format!("engine-rank-{}", group.rank()));
                let job = with(device);
                thread.spawn_scoped(scope, move || fit_among(&job, &group, &mut |_| Stop::No).map(|_| ()))
            })
            .collect();
        let outcome = fit_among(&with(own), &first, observer);
        drop(first);
        for other in others {
            let gone = |why: String| Error::Group { why };
            let other = other.map_err(|error| gone(error.to_string()))?;
            let found = other.join().map_err(|_| gone("a device's thread has panicked".into()))?;
            // A rank that only tells of another one's end is not the one to blame.
            if let Err(error) = found
                && !matches!(error, Error::Group { .. })
            {
                return Err(error);
            }
        }
        outcome
    })
}
