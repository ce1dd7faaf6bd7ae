//! Reliability of probabilities.

use crate::metrics::classification::sums::bin_of;
use crate::metrics::weights::RowWeights;
use crate::metrics::{FloatValue, Undefined};

/// Rows whose probabilities are in one bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CalibrationPoint {
    /// Mean probability.
    pub predicted: f64,
    /// Share of positive rows.
    pub observed: f64,
    /// Sum of the weights.
    pub weight: f64,
}

/// Reliability curve: `rows` are labels and probabilities, binned into `bins` of equal width that include their upper
/// borders. Bins without rows are left out. Equal to scikit-learn's `calibration_curve`.
///
/// # Errors
/// [`Undefined::NoRows`], [`Undefined::NotFinite`].
pub fn calibration<P: FloatValue>(
    rows: impl Iterator<Item = (bool, P)>,
    bins: usize,
    weights: Option<&[f64]>,
) -> Result<Vec<CalibrationPoint>, Undefined> {
    let mut sums = vec![CalibrationPoint { predicted: 0.0, observed: 0.0, weight: 0.0 }; bins.max(1)];
    for (row, (positive, probability)) in rows.enumerate() {
        let (weight, probability) = (RowWeights(weights).of(row), probability.double());
        if weight <= 0.0 {
            continue;
        }
        if !probability.is_finite() {
            return Err(Undefined::NotFinite);
        }
        let sum = &mut sums[bin_of(probability, bins.max(1))];
        sum.predicted += weight * probability;
        sum.observed += if positive { weight } else { 0.0 };
        sum.weight += weight;
    }
    let filled = sums.into_iter().filter(|sum| sum.weight > 0.0);
    let points: Vec<CalibrationPoint> = filled
        .map(|CalibrationPoint { predicted, observed, weight }| CalibrationPoint {
            predicted: predicted / weight,
            observed: observed / weight,
            weight,
        })
        .collect();
    if points.is_empty() { Err(Undefined::NoRows) } else { Ok(points) }
}
