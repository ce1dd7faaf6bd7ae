//! Confidence intervals of metrics, by resampling the rows.
//!
//! A resample is a vector of row counts, so that no row is copied: a metric takes weights. Draws depend on the seed,
//! the number of the resample and the position alone, so that the intervals are the same whatever the number of threads
//! and two models that are measured with one seed see the same resamples.
//!
//! More than [`UNITS`] rows are drawn in as many groups, each a random part of the rows. The variance of a sum over
//! rows is the same, up to a relative error of `sqrt(2 / UNITS)`, 2 %, and so are the bounds, up to 1 % of their distance.
//! A function of weights costs a pass over the rows for each resample. For more than [`RESAMPLED_ROWS`] rows its interval is
//! the normal one with the standard error of a jackknife of 200 groups, which is a tenth of the work.

mod bca;
pub(crate) mod draws;
mod plan;
mod resampled_sums;
mod sums;

pub(crate) use bca::quantile_of_normal;
pub use sums::RowSums;

use bca::{Bca, cdf_of_normal, jackknife_error};
use plan::Resamples;

/// Number of resamples by default.
pub const RESAMPLES: usize = 2000;

/// Rows, or groups of rows, that a resample draws at most.
pub const UNITS: usize = 5000;

/// Rows up to which metrics of weights are resampled; functions of sums always are.
pub const RESAMPLED_ROWS: usize = 100_000;

/// Share of resamples in which a metric must be defined to have an interval.
const DEFINED: f64 = 0.5;

/// Parameters of a bootstrap.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bootstrap {
    /// Number of resamples; at least 1000 for 95 % intervals.
    pub resamples: usize,
    /// Confidence level between 0 and 1, such as 0.95.
    pub level: f64,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Self { resamples: RESAMPLES, level: 0.95, seed: 0 }
    }
}

/// Value of a metric with its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BootstrapInterval {
    /// Value on all rows.
    pub value: f64,
    /// Lower bound.
    pub low: f64,
    /// Upper bound.
    pub high: f64,
    /// Share of the resamples in which the metric was undefined, at most one half. They are left out, so that the
    /// interval holds for data on which the metric is defined.
    pub undefined: f64,
}

/// One metric of two models on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PairedDifference {
    /// Value of the first model.
    pub first: f64,
    /// Value of the second model.
    pub second: f64,
    /// Second less first.
    pub difference: BootstrapInterval,
    /// Probability of a difference as large as this without any; 1 - the level at which the interval would end at 0.
    pub p_value: f64,
}

impl Bootstrap {
    /// Interval of a metric that is a function of row weights, given as one weight for each of `rows` rows.
    ///
    /// A metric without spread has an interval of width zero. `None` for fewer than two rows, a metric that is undefined
    /// or not finite on all rows or in more than half of the resamples, no resamples, and a level outside (0, 1).
    ///
    /// Bias-corrected and accelerated percentiles (Efron 1987). The acceleration comes from a jackknife that leaves out
    /// one row, or one of 400 groups of rows if there are more. For more than [`RESAMPLED_ROWS`] rows, the normal interval
    /// with the jackknife's standard error.
    pub fn interval(
        &self,
        rows: usize,
        metric: impl Fn(&[f64]) -> Option<f64> + Sync,
    ) -> Option<BootstrapInterval> {
        self.intervals(rows, |weights| vec![metric(weights)]).pop().flatten()
    }

    /// Intervals of several metrics from one pass over the resamples; see [`Bootstrap::interval`]. The function must
    /// return equally many values for all weights.
    pub fn intervals(
        &self,
        rows: usize,
        metrics: impl Fn(&[f64]) -> Vec<Option<f64>> + Sync,
    ) -> Vec<Option<BootstrapInterval>> {
        let values = metrics(&vec![1.0; rows]);
        if rows < 2 || !self.valid() {
            return vec![None; values.len()];
        }
        self.bounds(&plan::of_weights(self, rows, values, &metrics))
    }

    /// Interval of a metric that is a function of sums over rows, such as a mean; see [`Bootstrap::interval`]. The
    /// acceleration comes from a jackknife that leaves out each of at most [`UNITS`] units.
    pub fn interval_of_sums(
        &self,
        sums: &RowSums,
        metric: impl Fn(&[f64]) -> Option<f64> + Sync,
    ) -> Option<BootstrapInterval> {
        self.intervals_of_sums(sums, |sums| vec![metric(sums)]).pop().flatten()
    }

    /// Intervals of several metrics that are functions of the same sums.
    pub fn intervals_of_sums(
        &self,
        sums: &RowSums,
        metrics: impl Fn(&[f64]) -> Vec<Option<f64>> + Sync,
    ) -> Vec<Option<BootstrapInterval>> {
        let values = metrics(&sums.totals());
        if sums.rows() < 2 || !self.valid() {
            return vec![None; values.len()];
        }
        self.bounds(&plan::of_sums(self, sums, values, &metrics))
    }

    /// Difference of two models in a metric; the function returns the values of the first and the second model with the
    /// same weights. `None` under the conditions of [`Bootstrap::interval`] for either model.
    pub fn paired(
        &self,
        rows: usize,
        metric: impl Fn(&[f64]) -> (Option<f64>, Option<f64>) + Sync,
    ) -> Option<PairedDifference> {
        let both = |weights: &[f64]| with_difference(metric(weights));
        let values = both(&vec![1.0; rows]);
        if rows < 2 || !self.valid() {
            return None;
        }
        self.difference(plan::of_weights(self, rows, values, &both))
    }

    /// Difference of two models in a metric that is a function of sums over rows; see [`Bootstrap::paired`].
    pub fn paired_of_sums(
        &self,
        sums: &RowSums,
        metric: impl Fn(&[f64]) -> (Option<f64>, Option<f64>) + Sync,
    ) -> Option<PairedDifference> {
        let both = |sums: &[f64]| with_difference(metric(sums));
        let values = both(&sums.totals());
        if sums.rows() < 2 || !self.valid() {
            return None;
        }
        self.difference(plan::of_sums(self, sums, values, &both))
    }

    fn valid(&self) -> bool {
        self.resamples > 0 && self.level > 0.0 && self.level < 1.0
    }

    fn bounds(&self, metrics: &[Resamples]) -> Vec<Option<BootstrapInterval>> {
        metrics.iter().map(|resamples| Some(self.bound(resamples)?.0)).collect()
    }

    fn bound(&self, resamples: &Resamples) -> Option<(BootstrapInterval, Spread)> {
        let value = resamples.value.filter(|value| value.is_finite())?;
        let large = resamples.resampled.is_empty();
        let all = if large { &resamples.jackknife } else { &resamples.resampled };
        let defined = all.iter().filter(|value| value.is_finite()).count();
        let share = defined as f64 / all.len() as f64;
        if share < DEFINED {
            return None;
        }
        let finite = |values: &[f64]| -> Vec<f64> {
            values.iter().copied().filter(|value| value.is_finite()).collect()
        };
        let jackknife = finite(&resamples.jackknife);
        let spread = if large {
            Spread::Normal { value, error: jackknife_error(&jackknife)? }
        } else {
            Spread::Resampled(Bca::new(value, finite(&resamples.resampled), &jackknife)?)
        };
        let (low, high) = spread.bounds(self.level);
        Some((BootstrapInterval { value, low, high, undefined: 1.0 - share }, spread))
    }

    fn difference(&self, metrics: Vec<Resamples>) -> Option<PairedDifference> {
        let [first, second, difference] = <[Resamples; 3]>::try_from(metrics).ok()?;
        let (interval, spread) = self.bound(&difference)?;
        Some(PairedDifference {
            first: first.value?,
            second: second.value?,
            difference: interval,
            p_value: spread.p_value(0.0),
        })
    }
}

/// Distribution of a metric around its value.
enum Spread {
    Resampled(Bca),
    Normal { value: f64, error: f64 },
}

impl Spread {
    fn bounds(&self, level: f64) -> (f64, f64) {
        match self {
            Self::Resampled(bca) => bca.bounds(level),
            Self::Normal { value, error } => {
                let half = quantile_of_normal(f64::midpoint(1.0, level)) * error;
                (value - half, value + half)
            }
        }
    }

    #[allow(clippy::float_cmp)]
    fn p_value(&self, null: f64) -> f64 {
        match self {
            Self::Resampled(bca) => bca.p_value(null),
            Self::Normal { value, error } if *error > 0.0 => {
                2.0 * cdf_of_normal(-(value - null).abs() / error)
            }
            Self::Normal { value, .. } => f64::from(*value == null),
        }
    }
}

/// Values of both models and second less first.
fn with_difference((first, second): (Option<f64>, Option<f64>)) -> Vec<Option<f64>> {
    vec![first, second, first.zip(second).map(|(first, second)| second - first)]
}

#[cfg(test)]
mod tests;
