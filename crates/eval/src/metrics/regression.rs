//! Metrics of predicted numbers.

mod rows;
mod sums;
#[cfg(test)]
mod tests;

pub use rows::RegressionRows;
pub(crate) use rows::sums_of_rows;
pub use sums::RegressionSums;

use super::undefined::Undefined;
use super::weights::RowWeights;
use super::{MetricSet, Metrics};

/// Metrics of a regression, in the units of the target, with a weight for each row or `None` for equal ones.
///
/// Values equal those of scikit-learn except where it gives a value to what is undefined: `r2` and
/// `explained_variance` of a constant target (0 or 1 there), and `mape` of a target that is 0 (divided by the smallest
/// number there).
pub fn regression(targets: &[f64], predicted: &[f64], weights: Option<&[f64]>, set: MetricSet) -> Metrics {
    let rows = targets.len().min(predicted.len());
    if set == MetricSet::Training {
        return Metrics::of(rows, sums_of_rows(targets, predicted, weights).training_values());
    }
    Metrics::of(rows, RegressionRows::new(targets, predicted).metrics(weights))
}

/// Mean pinball loss of predictions of a quantile, as scikit-learn's `mean_pinball_loss`: what the target exceeds the
/// prediction by, times `quantile`, or what it falls short by, times `1 - quantile`.
///
/// # Errors
/// [`Undefined::NoRows`], [`Undefined::NotFinite`].
pub fn pinball(
    targets: &[f64],
    predicted: &[f64],
    quantile: f64,
    weights: Option<&[f64]>,
) -> Result<f64, Undefined> {
    let loss = |(target, predicted): (&f64, &f64)| {
        let above = target - predicted;
        (quantile * above).max((quantile - 1.0) * above)
    };
    weighted_mean(targets.iter().zip(predicted).map(loss), weights)
}

/// Mean of the values of rows, in order.
pub(crate) fn weighted_mean(
    values: impl Iterator<Item = f64>,
    weights: Option<&[f64]>,
) -> Result<f64, Undefined> {
    let (mut sum, mut total) = (0.0, 0.0);
    for (row, value) in values.enumerate() {
        let weight = RowWeights(weights).of(row);
        if weight > 0.0 {
            sum += weight * value;
            total += weight;
        }
    }
    match total {
        0.0 => Err(Undefined::NoRows),
        _ if !f64::is_finite(sum) => Err(Undefined::NotFinite),
        total => Ok(sum / total),
    }
}
