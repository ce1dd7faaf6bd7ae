//! The learning-rate range test (Smith 2017, 3.3): a few steps with a rate that rises.

use cupola_prep::permutation;

use crate::error::Error;
use crate::event::Stop;
use crate::fit::{Job, Loop};
use crate::group::Alone;

/// First and last rate that is tried.
const FROM: f64 = 1e-6;
const TO: f64 = 3.0;
/// The test ends when the smoothed loss is so many times its best.
const BLOWN_UP: f64 = 4.0;
/// Weight of the losses before in the smoothed one.
const SMOOTHING: f64 = 0.9;

/// What one rate came to.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Tried {
    /// The learning rate.
    pub rate: f64,
    /// The loss of its step.
    pub loss: f64,
    /// A moving average of the losses, without the bias of its start.
    pub smoothed: f64,
}

/// Runs up to `steps` steps from fresh weights with rates from 1e-6 to 3 in equal ratios, until the
/// loss blows up. `told` hears each. The job's folder is not written.
///
/// # Errors
/// Whatever the device says; a loss that is not finite only ends the test.
pub fn range_test(
    job: &Job<'_>,
    steps: u32,
    told: &mut dyn FnMut(Tried) -> Stop,
) -> Result<Vec<Tried>, Error> {
    let mut this = Loop::new(job, &Alone)?;
    let mut tried: Vec<Tried> = Vec::new();
    let (mut average, mut best) = (0.0, f64::INFINITY);
    let ratio = (TO / FROM).powf(1.0 / f64::from(steps.max(2) - 1));
    let size = job.run.train.batch_size;
    let mut order: Vec<usize> = Vec::new();
    for step in 0..steps {
        if order.len() < size.min(this.rows) {
            order = permutation(this.rows, job.run.seed, "rate", u64::from(step));
        }
        let batch = order.split_off(order.len().saturating_sub(size));
        let rate = FROM * ratio.powi(i32::try_from(step).unwrap_or(i32::MAX));
        let Some(loss) = this.probe(&batch, rate)? else { break };
        average = SMOOTHING * average + (1.0 - SMOOTHING) * loss;
        let smoothed = average / (1.0 - SMOOTHING.powi(i32::try_from(step + 1).unwrap_or(i32::MAX)));
        let one = Tried { rate, loss, smoothed };
        tried.push(one);
        if told(one) == Stop::Yes || smoothed > BLOWN_UP * best {
            break;
        }
        best = best.min(smoothed);
    }
    Ok(tried)
}

/// The rate at which the smoothed loss falls fastest over the logarithm of the rate; `None` where it
/// never falls. The first losses, which say little, are left out, and so is what comes after the
/// best.
pub fn suggested(tried: &[Tried]) -> Option<f64> {
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
        let curve = |f: fn(f64) -> f64| -> Vec<Tried> {
            (0..60)
                .map(|i| {
                    let rate = 1e-6 * 10_f64.powf(f64::from(i) / 10.0);
                    Tried { rate, loss: 0.0, smoothed: f(rate.log10()) }
                })
                .collect()
        };
        // Falls like a sigmoid around 1e-3, blows up after 1e-1.5.
        let found = suggested(&curve(|x| {
            2.0 - 1.0 / (1.0 + (-4.0 * (x + 3.0)).exp()) + (20.0 * (x + 1.5)).exp().min(10.0)
        }));
        assert!((found.unwrap().log10() + 3.0).abs() < 0.3, "{found:?}");
        assert_eq!(suggested(&curve(|x| 1.0 + x)), None);
        assert_eq!(suggested(&[]), None);
    }
}
