//! Bias-corrected and accelerated percentile intervals (Efron 1987; Efron and Tibshirani 1993, section 14.3).

use statrs::distribution::{ContinuousCDF, Normal};

/// Percentile interval whose percentiles are corrected for the bias and the skewness of the metric's distribution.
pub struct Bca {
    /// Finite values of the metric in the resamples, ascending.
    sorted: Vec<f64>,
    /// Bias correction: normal quantile of the share of resamples below the value.
    bias: f64,
    acceleration: f64,
}

impl Bca {
    /// Interval of a metric with this value on all rows, these values in the resamples and these with a group of rows
    /// left out. `None` without resamples.
    pub fn new(value: f64, resampled: Vec<f64>, jackknife: &[f64]) -> Option<Self> {
        if resampled.is_empty() {
            return None;
        }
        let mut sorted = resampled;
        sorted.sort_unstable_by(f64::total_cmp);
        let bias = quantile_of_normal(share_below(&sorted, value));
        Some(Self { sorted, bias, acceleration: acceleration(jackknife) })
    }

    /// Bounds at a level such as 0.95.
    pub fn bounds(&self, level: f64) -> (f64, f64) {
        let z = quantile_of_normal(f64::midpoint(1.0, level));
        (self.percentile(self.corrected(-z)), self.percentile(self.corrected(z)))
    }

    /// Probability of a value as far from `null` as this one if `null` is true: 1 - the level whose interval ends at
    /// `null`.
    #[allow(clippy::float_cmp)]
    pub fn p_value(&self, null: f64) -> f64 {
        // Resamples cannot tell probabilities that are smaller than this.
        let least = (2.0 / (self.sorted.len() as f64 + 1.0)).min(1.0);
        let (first, last) = (self.sorted[0], self.sorted[self.sorted.len() - 1]);
        if first >= last {
            return if first == null { 1.0 } else { least };
        }
        // The inverse of `corrected`.
        let from_bias = quantile_of_normal(share_below(&self.sorted, null)) - self.bias;
        let scale = 1.0 + self.acceleration * from_bias;
        if scale <= 0.0 {
            return least;
        }
        let z = from_bias / scale - self.bias;
        (2.0 * cdf_of_normal(-z.abs())).clamp(least, 1.0)
    }

    /// Percentile, from 0 to 1, that stands for a normal quantile.
    fn corrected(&self, z: f64) -> f64 {
        let shifted = self.bias + z;
        let scale = 1.0 - self.acceleration * shifted;
        if scale <= 0.0 {
            // Beyond the pole of the correction, which only extreme accelerations reach.
            return if shifted > 0.0 { 1.0 } else { 0.0 };
        }
        cdf_of_normal(self.bias + shifted / scale)
    }

    /// Value at a percentile from 0 to 1, with linear interpolation as in `numpy.percentile`.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn percentile(&self, share: f64) -> f64 {
        let last = self.sorted.len() - 1;
        let position = share.clamp(0.0, 1.0) * last as f64;
        let below = (position.floor() as usize).min(last);
        let above = (below + 1).min(last);
        let (low, high) = (self.sorted[below], self.sorted[above]);
        low + (high - low) * (position - below as f64)
    }
}

/// Standard error from values with one of equal groups of rows left out (Shao and Wu 1989). `None` for fewer than two.
pub fn jackknife_error(jackknife: &[f64]) -> Option<f64> {
    let count = jackknife.len() as f64;
    let mean = jackknife.iter().sum::<f64>() / count;
    let squares: f64 = jackknife.iter().map(|value| (value - mean).powi(2)).sum();
    (jackknife.len() >= 2).then(|| ((count - 1.0) / count * squares).sqrt())
}

/// Share of the values below a number; values equal to it count half. At least half a value from 0 and from 1, so that
/// its normal quantile is finite.
fn share_below(sorted: &[f64], number: f64) -> f64 {
    let below = sorted.partition_point(|value| *value < number);
    let not_above = sorted.partition_point(|value| *value <= number);
    let half = 0.5 / sorted.len() as f64;
    ((below + not_above) as f64 * half).clamp(half, 1.0 - half)
}

/// Sixth of the skewness of the jackknife's values (Efron and Tibshirani 1993, equation 14.15). With groups instead of
/// single rows left out, the skewness of a group's sum is smaller by the root of the group's size and the number of
/// values by the size itself, so that the quotient estimates the same number.
fn acceleration(jackknife: &[f64]) -> f64 {
    let mean = jackknife.iter().sum::<f64>() / jackknife.len() as f64;
    let (mut squares, mut cubes) = (0.0, 0.0);
    for value in jackknife {
        let influence = mean - value;
        squares += influence * influence;
        cubes += influence * influence * influence;
    }
    let found = cubes / (6.0 * squares.powf(1.5));
    if found.is_finite() { found } else { 0.0 }
}

/// Quantile of the standard normal distribution.
pub fn quantile_of_normal(share: f64) -> f64 {
    Normal::standard().inverse_cdf(share)
}

/// Probability that a standard normal number is at most `z`.
pub fn cdf_of_normal(z: f64) -> f64 {
    Normal::standard().cdf(z)
}
