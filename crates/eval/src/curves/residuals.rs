//! Plots of the errors of predicted numbers.

use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use super::MOST_POINTS;
use crate::metrics::Undefined;

/// At most `most` rows in even steps, the first one always.
pub fn evenly_chosen(rows: usize, most: usize) -> impl Iterator<Item = usize> {
    let chosen = rows.min(most);
    (0..chosen).map(move |index| index * rows / chosen)
}

/// Predictions and residuals (target - prediction) of at most `most` evenly chosen rows.
pub fn residuals(targets: &[f64], predicted: &[f64], most: usize) -> Vec<(f64, f64)> {
    let rows = targets.len().min(predicted.len());
    evenly_chosen(rows, most).map(|row| (predicted[row], targets[row] - predicted[row])).collect()
}

/// Quantiles of the standard normal distribution and of standardised residuals: the value of rank i of n, less the mean
/// and divided by the standard deviation, stands at the quantile of (i - 0.5) / n (Hazen 1914). Of more than
/// [`MOST_POINTS`] residuals those in even steps of the normal quantile are taken, with the least and the largest.
///
/// # Errors
/// [`Undefined::NoRows`], [`Undefined::NotFinite`], and [`Undefined::ConstantResidual`] if all are equal.
pub fn qq_points(mut residuals: Vec<f64>) -> Result<Vec<(f64, f64)>, Undefined> {
    if residuals.is_empty() {
        return Err(Undefined::NoRows);
    }
    if residuals.iter().any(|residual| !residual.is_finite()) {
        return Err(Undefined::NotFinite);
    }
    residuals.par_sort_unstable_by(f64::total_cmp);
    let rows = residuals.len();
    let mean = residuals.iter().sum::<f64>() / rows as f64;
    let deviation = (residuals.iter().map(|r| (r - mean).powi(2)).sum::<f64>() / rows as f64).sqrt();
    if residuals[0] >= residuals[rows - 1] || deviation <= 0.0 {
        return Err(Undefined::ConstantResidual);
    }
    let normal = Normal::standard();
    let quantile = |rank: usize| normal.inverse_cdf((rank as f64 + 0.5) / rows as f64);
    let point = |rank: usize| (quantile(rank), (residuals[rank] - mean) / deviation);
    if rows <= MOST_POINTS {
        return Ok((0..rows).map(point).collect());
    }
    let (first, last) = (quantile(0), quantile(rows - 1));
    let step = (last - first) / (MOST_POINTS - 1) as f64;
    let place = |index: usize| normal.cdf(first + index as f64 * step) * rows as f64 - 0.5;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let rank = |index: usize| (place(index).round().max(0.0) as usize).min(rows - 1);
    let mut ranks: Vec<usize> = (0..MOST_POINTS).map(rank).collect();
    (ranks[0], ranks[MOST_POINTS - 1]) = (0, rows - 1);
    ranks.dedup();
    Ok(ranks.into_iter().map(point).collect())
}
