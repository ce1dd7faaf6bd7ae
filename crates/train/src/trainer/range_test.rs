//! Learning-rate range test (Smith 2017, 3.3): a few steps with a rising rate.

use cupola_prep::permutation;

use super::Trainer;
use crate::error::Error;
use crate::event::Stop;
use crate::group::SingleDevice;
use crate::job::Job;

/// First and last rate of the test.
const FROM: f64 = 1e-6;
const TO: f64 = 3.0;
/// The test ends if the smoothed loss exceeds this multiple of its minimum.
const BLOWN_UP: f64 = 4.0;
/// Weight of the earlier losses in the smoothed loss.
const SMOOTHING: f64 = 0.9;

/// Result of one rate.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct RateTrial {
    /// The learning rate.
    pub rate: f64,
    /// The loss of its step.
    pub loss: f64,
    /// Moving average of the losses, corrected for the bias of its start.
    pub smoothed: f64,
}

/// Runs up to `steps` steps from new weights with rates from 1e-6 to 3 in equal ratios, until the loss
/// diverges. `observer` receives each result. The job's folder is not written.
///
/// # Errors
/// Errors of the device. A loss that is not finite only ends the test.
pub fn range_test(
    job: &Job<'_>,
    steps: u32,
    observer: &mut dyn FnMut(RateTrial) -> Stop,
) -> Result<Vec<RateTrial>, Error> {
    let mut trainer = Trainer::new(job, &SingleDevice)?;
    let mut tried: Vec<RateTrial> = Vec::new();
    let (mut average, mut best) = (0.0, f64::INFINITY);
    let ratio = (TO / FROM).powf(1.0 / f64::from(steps.max(2) - 1));
    let size = job.run.train.batch_size;
    let mut order: Vec<usize> = Vec::new();
    for step in 0..steps {
        if order.len() < size.min(trainer.rows) {
            order = permutation(trainer.rows, job.run.seed, "rate", u64::from(step));
        }
        let batch = order.split_off(order.len().saturating_sub(size));
        let rate = FROM * ratio.powi(i32::try_from(step).unwrap_or(i32::MAX));
        let Some(loss) = trainer.stepper.probe(&batch, &trainer.position, rate)? else { break };
        trainer.position.step += 1;
        average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
        let smoothed = average / (1.0 - SMOOTHING.powi(i32::try_from(step + 1).unwrap_or(i32::MAX)));
        let one = RateTrial { rate, loss, smoothed };
        tried.push(one);
        if observer(one) == Stop::Yes || smoothed > BLOWN_UP * best {
            break;
        }
        best = best.min(smoothed);
    }
    Ok(tried)
}

/// Rate at which the smoothed loss falls fastest over the logarithm of the rate; `None` if it never falls.
/// The noisy first losses and those after the minimum are ignored.
pub fn suggested_rate(tried: &[RateTrial]) -> Option<f64> {
    let best = tried.iter().enumerate().min_by(|a, b| a.1.smoothed.total_cmp(&b.1.smoothed))?.0;
    let from = (tried.len() / 10).min(best);
    let window = (tried.len() / 10).max(2);
    (from..best)
        .filter_map(|at| {
            let other = tried.get(at + window).filter(|_| at + window <= best)?;
            let slope = (other.smoothed - tried[at].smoothed) / (other.rate / tried[at].rate).ln();
            (slope < 0.0).then(|| (slope, (tried[at].rate * other.rate).sqrt()))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, rate)| rate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_fall_is_suggested_and_a_rise_is_not() {
        let curve = |f: fn(f64) -> f64| -> Vec<RateTrial> {
            (0..60)
                .map(|i| {
                    let rate = 1e-6 * 10_f64.powf(f64::from(i) / 10.0);
                    RateTrial { rate, loss: 0.0, smoothed: f(rate.log10()) }
                })
                .collect()
        };
        // Falls like a sigmoid around 1e-3, blows up after 1e-1.5.
        let found = suggested_rate(&curve(|x| {
            2.0 - 1.0 / (1.0 + (-4.0 * (x + 3.0)).exp()) + (20.0 * (x + 1.5)).exp().min(10.0)
        }));
        assert!((found.unwrap().log10() + 3.0).abs() < 0.3, "{found:?}");
        assert_eq!(suggested_rate(&curve(|x| 1.0 + x)), None);
        assert_eq!(suggested_rate(&[]), None);
    }
}
