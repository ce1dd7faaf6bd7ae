//! Predicted numbers, whose metrics are computed for any weights.

use rayon::prelude::*;

use super::super::NamedValues;
use super::super::undefined::Undefined;
use super::super::weights::RowWeights;
use super::sums::RegressionSums;

/// Rows from which the sort runs in parallel.
const PARALLEL: usize = 100_000;

/// Targets and predictions of a regression, prepared so that [`Self::metrics`] is a pass over the rows for each set of
/// weights.
#[derive(Debug, Clone)]
pub struct RegressionRows<'a> {
    targets: &'a [f64],
    predicted: &'a [f64],
    /// Absolute errors in ascending order with their rows.
    errors: Vec<(f64, u32)>,
}

impl<'a> RegressionRows<'a> {
    /// Sorts the errors once, in O(n log n).
    pub fn new(targets: &'a [f64], predicted: &'a [f64]) -> Self {
        let pairs = targets.iter().zip(predicted).zip(0_u32..);
        let mut errors: Vec<(f64, u32)> =
            pairs.map(|((target, predicted), row)| ((predicted - target).abs(), row)).collect();
        let order = |a: &(f64, u32), b: &(f64, u32)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
        if errors.len() < PARALLEL {
            errors.sort_unstable_by(order);
        } else {
            errors.par_sort_unstable_by(order);
        }
        Self { targets, predicted, errors }
    }

    /// All metrics of [`super::regression`].
    pub fn metrics(&self, weights: Option<&[f64]>) -> NamedValues {
        let mut values = sums_of_rows(self.targets, self.predicted, weights).values();
        // One error that is not finite leaves all metrics undefined.
        let median = values[0].1.clone().and_then(|_| self.median(weights));
        values.push(("median_ae", median));
        values
    }

    /// Median of the absolute errors. With weights it is the mean of the two values around half of their sum where one
    /// ends exactly there, as in scikit-learn.
    fn median(&self, weights: Option<&[f64]>) -> Result<f64, Undefined> {
        let weights = RowWeights(weights);
        let half = weights.sum(self.errors.len()) / 2.0;
        if half == 0.0 {
            return Err(Undefined::NoRows);
        }
        let (mut sum, mut lower) = (0.0, None);
        for &(error, row) in &self.errors {
            let weight = weights.of(row as usize);
            if weight <= 0.0 {
                continue;
            }
            if let Some(lower) = lower {
                return Ok(f64::midpoint(lower, error));
            }
            sum += weight;
            if sum - half > f64::EPSILON {
                return Ok(error);
            }
            if sum >= half {
                lower = Some(error);
            }
        }
        lower.ok_or(Undefined::NotFinite)
    }
}

/// Sums over all rows.
pub(crate) fn sums_of_rows(targets: &[f64], predicted: &[f64], weights: Option<&[f64]>) -> RegressionSums {
    let mut sums = RegressionSums::default();
    for (row, (&target, &predicted)) in targets.iter().zip(predicted).enumerate() {
        sums.add(target, predicted, RowWeights(weights).of(row));
    }
    sums
}
