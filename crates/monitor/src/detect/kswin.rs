//! Kolmogorov-Smirnov windowing.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use super::{ChangeDetector, ChangeLevel};
use crate::twister::MersenneTwister;

/// KSWIN (Raab et al. 2020): the newest values of a sliding window differ from a sample of the older ones by the test of
/// Kolmogorov and Smirnov. The sample is drawn as Python's `random.Random(seed)` draws it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kswin {
    alpha: f64,
    window_size: usize,
    stat_size: usize,
    seed: u32,
    window: VecDeque<f64>,
    random: MersenneTwister,
    level: ChangeLevel,
}

impl Default for Kswin {
    fn default() -> Self {
        Self::new(0.005, 100, 30, 0)
    }
}

impl Kswin {
    /// Detector with a level of significance, a window, and the number of its values that are compared: at most half of
    /// the window, at least one.
    pub fn new(alpha: f64, window_size: usize, stat_size: usize, seed: u32) -> Self {
        let window_size = window_size.max(2);
        let stat_size = stat_size.clamp(1, window_size / 2);
        let random = MersenneTwister::of_python(seed);
        let (window, level) = (VecDeque::new(), ChangeLevel::Stable);
        Self { alpha, window_size, stat_size, seed, window, random, level }
    }

    /// Compares the newest values with a sample of the older ones.
    #[allow(clippy::cast_precision_loss, reason = "a window is far below 2^53")]
    fn differs(&mut self) -> bool {
        let older = self.window_size - self.stat_size;
        let bound = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let sample = self.random.python_sample(bound(older), bound(self.stat_size));
        let mut old: Vec<f64> =
            sample.iter().filter_map(|at| self.window.get(*at as usize)).copied().collect();
        let mut new: Vec<f64> = self.window.iter().skip(older).copied().collect();
        old.sort_by(f64::total_cmp);
        new.sort_by(f64::total_cmp);
        let steps = largest_difference(&old, &new);
        let p = probability_beyond(self.stat_size, steps);
        p <= self.alpha && steps as f64 / self.stat_size as f64 > 0.1
    }
}

/// Largest difference of the counts of two sorted samples up to the same value.
fn largest_difference(first: &[f64], second: &[f64]) -> usize {
    let up_to = |sorted: &[f64], value: f64| sorted.partition_point(|own| *own <= value);
    let values = first.iter().chain(second);
    values.map(|value| up_to(first, *value).abs_diff(up_to(second, *value))).max().unwrap_or(0)
}

/// Exact probability that two samples of `n` values of one distribution differ by at least `steps / n` (Gnedenko and
/// Korolyuk 1951), evaluated from the inside out as `SciPy` does.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn probability_beyond(n: usize, steps: usize) -> f64 {
    if steps == 0 {
        return 1.0;
    }
    let (size, step) = (n as f64, steps as f64);
    let mut p = 0.0;
    for k in (0..=n / steps).rev() {
        let shift = k as f64 * step;
        let mut path = 1.0;
        for j in 0..steps {
            let j = j as f64;
            path = (size - shift - j) * path / (size + shift + j + 1.0);
        }
        p = path * (1.0 - p);
    }
    (2.0 * p).clamp(0.0, 1.0)
}

impl ChangeDetector for Kswin {
    fn update(&mut self, value: f64) -> ChangeLevel {
        if self.level == ChangeLevel::Drift {
            self.window.clear();
            self.random = MersenneTwister::of_python(self.seed);
        }
        self.window.push_back(value);
        if self.window.len() > self.window_size {
            self.window.pop_front();
        }
        let full = self.window.len() == self.window_size;
        self.level = if full && self.differs() { ChangeLevel::Drift } else { ChangeLevel::Stable };
        self.level
    }

    fn level(&self) -> ChangeLevel {
        self.level
    }
}
