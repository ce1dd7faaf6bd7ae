//! Performance of a served version by interval: requests, their times, predictions whose target became known, and the use of
//! the machine.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::window::{DurationHistogram, WindowTraffic};

/// Bins of the calibration, of equal width.
const BINS: usize = 10;

/// Interval of one version: a line of the performance log.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ServiceInterval {
    /// Begin, RFC 3339 in UTC.
    pub began: String,
    /// End.
    pub ended: String,
    /// Seconds between both; of merged intervals their sum.
    pub length: f64,
    /// Name of the model.
    pub model: String,
    /// Its version.
    pub version: u64,
    /// Requests.
    pub requests: u64,
    /// Requests that were refused for the client's mistake: status 400 to 499.
    pub client_errors: u64,
    /// Requests that the server failed: status 500 and above.
    pub server_errors: u64,
    /// Quantiles of the time in seconds; `None` without requests.
    pub p50: Option<f64>,
    /// As `p50`, for 99 % of the requests.
    pub p99: Option<f64>,
    /// Number and requests of each bin of the times that has any, by which intervals are merged.
    pub durations: Vec<(usize, u32)>,
    /// Sum of all times in seconds.
    pub seconds: f64,
    /// Predictions whose target became known in the interval, by target.
    pub targets: BTreeMap<String, TargetOutcome>,
    /// Use of the machine by the whole server.
    pub process: ProcessUse,
}

/// Use of the machine by a process.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ProcessUse {
    /// Processors that were busy, on average; `None` where the system does not tell.
    pub cpu: Option<f64>,
    /// Resident memory in bytes at the end.
    pub memory_bytes: Option<u64>,
    /// Share of the time that the GPU was busy, with the work of all programs.
    pub gpu: Option<f64>,
    /// Largest memory of the GPU in use, in bytes, of all programs.
    pub gpu_memory_bytes: Option<u64>,
}

/// Predictions of a target that became known.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TargetOutcome {
    /// Classes that were right.
    pub right: u64,
    /// Classes that were wrong.
    pub wrong: u64,
    /// Numbers.
    pub measured: u64,
    /// Sum of the absolute errors of the numbers.
    pub absolute_error: f64,
    /// Predictions by the probability of their class, in ten bins of equal width: `[count, right, sum of probabilities]`.
    /// Empty without probabilities.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calibration: Vec<(u64, u64, f64)>,
}

impl TargetOutcome {
    /// Adds a class, with the probability that the model gave it.
    pub fn add_class(&mut self, right: bool, probability: Option<f64>) {
        *(if right { &mut self.right } else { &mut self.wrong }) += 1;
        let Some(probability) = probability.filter(|one| (0.0..=1.0).contains(one)) else { return };
        self.calibration.resize(BINS, (0, 0, 0.0));
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 1")]
        let bin = ((probability * BINS as f64) as usize).min(BINS - 1);
        let (count, correct, sum) = &mut self.calibration[bin];
        *count += 1;
        *correct += u64::from(right);
        *sum += probability;
    }

    /// Adds the absolute error of a number.
    pub fn add_number(&mut self, error: f64) {
        if error.is_finite() {
            self.measured += 1;
            self.absolute_error += error;
        }
    }

    /// Adds those of another interval.
    pub fn merge(&mut self, other: &Self) {
        self.right = self.right.saturating_add(other.right);
        self.wrong = self.wrong.saturating_add(other.wrong);
        self.measured = self.measured.saturating_add(other.measured);
        self.absolute_error += other.absolute_error;
        if !other.calibration.is_empty() {
            self.calibration.resize(BINS, (0, 0, 0.0));
        }
        for (own, (count, right, sum)) in self.calibration.iter_mut().zip(&other.calibration) {
            *own = (own.0.saturating_add(*count), own.1.saturating_add(*right), own.2 + sum);
        }
    }

    /// Share of right classes; `None` without any.
    pub fn accuracy(&self) -> Option<f64> {
        let known = self.right.saturating_add(self.wrong);
        (known > 0).then(|| self.right as f64 / known as f64)
    }

    /// Mean absolute error of the numbers; `None` without any.
    pub fn mean_error(&self) -> Option<f64> {
        (self.measured > 0).then(|| self.absolute_error / self.measured as f64)
    }

    /// Expected calibration error (Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian
    /// Binning", AAAI 2015) of the predicted class over ten bins of equal width; `None` without probabilities.
    pub fn calibration_error(&self) -> Option<f64> {
        let all: u64 = self.calibration.iter().map(|(count, ..)| count).sum();
        let gap = |(_, right, sum): &(u64, u64, f64)| (*right as f64 - sum).abs();
        (all > 0).then(|| self.calibration.iter().map(gap).sum::<f64>() / all as f64)
    }
}

impl ServiceInterval {
    /// Sets the requests and their times.
    pub fn set_traffic(&mut self, traffic: &WindowTraffic) {
        self.requests = traffic.requests;
        self.client_errors = traffic.client_errors;
        self.server_errors = traffic.server_errors;
        self.set_durations(&traffic.durations);
    }

    fn set_durations(&mut self, durations: &DurationHistogram) {
        (self.p50, self.p99) = (durations.quantile(0.5), durations.quantile(0.99));
        (self.durations, self.seconds) = (durations.filled(), durations.sum());
    }

    /// Adds another interval of the same model. The use of the processors is the mean over time, that of the memory the
    /// largest.
    pub fn merge(&mut self, other: &Self) {
        let weights = (self.length.max(1e-9), other.length.max(1e-9));
        self.length += other.length;
        self.requests = self.requests.saturating_add(other.requests);
        self.client_errors = self.client_errors.saturating_add(other.client_errors);
        self.server_errors = self.server_errors.saturating_add(other.server_errors);
        let mut durations = DurationHistogram::of_filled(&self.durations, self.seconds);
        durations.merge(&DurationHistogram::of_filled(&other.durations, other.seconds));
        self.set_durations(&durations);
        for (target, outcome) in &other.targets {
            self.targets.entry(target.clone()).or_default().merge(outcome);
        }
        if other.began < self.began {
            self.began.clone_from(&other.began);
        }
        if other.ended > self.ended {
            self.ended.clone_from(&other.ended);
        }
        let mean = |(own, other): (f64, f64)| (own * weights.0 + other * weights.1) / (weights.0 + weights.1);
        let (own, added) = (&mut self.process, &other.process);
        own.cpu = own.cpu.zip(added.cpu).map(mean).or(own.cpu).or(added.cpu);
        own.memory_bytes = own.memory_bytes.max(added.memory_bytes);
        own.gpu = own.gpu.zip(added.gpu).map(mean).or(own.gpu).or(added.gpu);
        own.gpu_memory_bytes = own.gpu_memory_bytes.max(added.gpu_memory_bytes);
        self.version = self.version.max(other.version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_calibration_error_is_that_of_a_hand_computed_example() {
        let mut outcome = TargetOutcome::default();
        assert_eq!(
            (outcome.accuracy(), outcome.calibration_error(), outcome.mean_error()),
            (None, None, None)
        );
        // Bin 0.9 to 1: mean probability 0.95, three of four right. Bin 0.6 to 0.7: 0.65, one of two.
        for right in [true, true, true, false] {
            outcome.add_class(right, Some(0.95));
        }
        outcome.add_class(true, Some(0.6));
        outcome.add_class(false, Some(0.7 - 1e-9));
        // |3 - 3.8| + |1 - 1.3|, of six.
        let expected = (0.8 + 0.3) / 6.0;
        assert!((outcome.calibration_error().unwrap() - expected).abs() < 1e-8);
        assert_eq!(outcome.accuracy(), Some(4.0 / 6.0));
        outcome.add_class(true, Some(1.0));
        outcome.add_class(true, Some(f64::NAN));
        assert_eq!(outcome.calibration[9].0, 5);
        outcome.add_number(f64::INFINITY);
        assert_eq!(outcome.measured, 0);
    }

    #[test]
    fn merged_intervals_have_the_quantiles_of_all_their_requests() {
        let interval = |times: std::ops::Range<u32>| {
            let mut traffic = WindowTraffic::default();
            times.for_each(|ms| traffic.add(200, f64::from(ms) / 1000.0));
            let mut interval = ServiceInterval { began: "a".into(), ended: "b".into(), ..Default::default() };
            interval.set_traffic(&traffic);
            interval.targets.entry("y".to_owned()).or_default().add_class(true, Some(0.9));
            interval
        };
        let (mut merged, whole) = (interval(1..500), interval(1..1001));
        merged.merge(&interval(500..1001));
        assert_eq!((merged.requests, merged.p50, merged.p99), (1000, whole.p50, whole.p99));
        assert!((merged.p50.unwrap() - 0.5).abs() < 0.03 && (merged.seconds - whole.seconds).abs() < 1e-6);
        assert_eq!(merged.targets["y"].right, 2);
        let text = serde_json::to_string(&merged).unwrap();
        assert_eq!(serde_json::from_str::<ServiceInterval>(&text).unwrap(), merged);
    }
}
