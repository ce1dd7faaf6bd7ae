//! Scores and intervals of numbers.

use super::scores::{ConformalScores, TooFewScores};

/// Score of split conformal prediction: the absolute residual.
pub fn split_score(target: f64, predicted: f64) -> f64 {
    (target - predicted).abs()
}

/// Absolute residual over the difficulty of the row, an estimate of its scale above 0 (Papadopoulos et al. 2008). Multiply
/// the quantile with the difficulty of a new row for its interval.
pub fn normalised_score(target: f64, predicted: f64, difficulty: f64) -> f64 {
    (target - predicted).abs() / difficulty
}

/// Interval `predicted ± quantile`, as bounds.
pub fn split_interval(predicted: f64, quantile: f64) -> (f64, f64) {
    (predicted - quantile, predicted + quantile)
}

/// Score of conformalised quantile regression (Romano et al. 2019, 6): the distance to the interval of two predicted
/// quantiles, negative within it.
pub fn quantile_score(target: f64, (low, high): (f64, f64)) -> f64 {
    (low - target).max(target - high)
}

/// Interval of two predicted quantiles, moved by the quantile of the scores (Romano et al. 2019, 7). Bounds that would cross
/// meet half-way.
pub fn quantile_interval((low, high): (f64, f64), quantile: f64) -> (f64, f64) {
    let (low, high) = (low - quantile, high + quantile);
    if low <= high {
        return (low, high);
    }
    let middle = low + (high - low) / 2.0;
    (middle, middle)
}

/// Out-of-fold residuals of one fold, and the prediction of the model without that fold for a new row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CrossFold<'a> {
    /// Absolute residuals of the rows of the fold.
    pub residuals: &'a [f64],
    /// Prediction for the new row by the model that was trained without the fold.
    pub predicted: f64,
}

/// Interval of CV+ (Barber et al. 2021, "Predictive inference with the jackknife+", 3.2). Its coverage is at least
/// `1 - 2 (1 - coverage)` in theory, and about `coverage` in practice.
///
/// # Errors
/// [`TooFewScores`] if the residuals are too few for a finite interval.
pub fn cross_interval(folds: &[CrossFold<'_>], coverage: f64) -> Result<(f64, f64), TooFewScores> {
    let bounds = |sign: f64| {
        let each = folds
            .iter()
            .flat_map(|fold| fold.residuals.iter().map(move |residual| sign * fold.predicted + residual));
        ConformalScores::quantile_of_unsorted(each.collect(), coverage)
    };
    // The lower bound is the same rank from the other side: minus the upper bound of minus the prediction.
    Ok((-bounds(-1.0)?, bounds(1.0)?))
}
