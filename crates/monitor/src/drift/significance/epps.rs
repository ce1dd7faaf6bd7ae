//! Epps-Singleton test of two samples by their characteristic functions.

use nalgebra::{DMatrix, DVector, SymmetricEigen};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::profile::SortedNumbers;

/// Places at which the characteristic functions are compared, in half interquartile ranges.
const PLACES: [f64; 2] = [0.4, 0.8];
/// Real and imaginary parts at these.
const PARTS: usize = 2 * PLACES.len();
/// Fewest values on a side.
const LEAST: usize = 5;

/// Real and imaginary parts of the empirical characteristic function with their covariances, divisor n.
struct Characteristic {
    means: DVector<f64>,
    covariances: DMatrix<f64>,
}

/// p-value of the Epps-Singleton test (Epps and Singleton 1986, "An omnibus test for the two-sample problem using the empirical
/// characteristic function"). Not a number with fewer than five values on a side, or if the middle half of all values are the same.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub(in super::super) fn epps_singleton(reference: &SortedNumbers, current: &SortedNumbers) -> f64 {
    let (a, b) = (&reference.sorted, &current.sorted);
    let scale = interquartile_range(a, b) / 2.0;
    if a.len().min(b.len()) < LEAST || !scale.is_normal() {
        return f64::NAN;
    }
    let (n1, n2) = (reference.count as f64, current.count as f64);
    let n = n1 + n2;
    let [first, second] = [a, b].map(|values| Characteristic::of(values, scale));
    let covariances = first.covariances * (n / n1) + second.covariances * (n / n2);
    let (inverse, rank) = pseudo_inverse(covariances);
    let difference = first.means - second.means;
    let mut statistic = n * (difference.transpose() * inverse * difference)[0];
    if n1.max(n2) < 25.0 {
        statistic /= 1.0 + n.powf(-0.45) + 10.1 * (n1.powf(-1.7) + n2.powf(-1.7));
    }
    ChiSquared::new(rank as f64).map_or(f64::NAN, |distribution| distribution.sf(statistic))
}

impl Characteristic {
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    fn of(values: &[f64], scale: f64) -> Self {
        let parts = |value: &f64| {
            let [first, second] = PLACES.map(|place| place / scale * value);
            [first.cos(), second.cos(), first.sin(), second.sin()]
        };
        let count = values.len() as f64;
        let mut sums = [0.0; PARTS];
        for parts in values.iter().map(parts) {
            sums.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
        }
        let means = sums.map(|sum| sum / count);
        let mut covariances = DMatrix::zeros(PARTS, PARTS);
        for parts in values.iter().map(parts) {
            for (row, (one, mean)) in parts.iter().zip(means).enumerate() {
                for (column, (other, other_mean)) in parts.iter().zip(means).enumerate() {
                    covariances[(row, column)] += (one - mean) * (other - other_mean);
                }
            }
        }
        Self { means: DVector::from_row_slice(&means), covariances: covariances / count }
    }
}

/// Moore-Penrose inverse of a symmetric matrix, with its rank.
fn pseudo_inverse(matrix: DMatrix<f64>) -> (DMatrix<f64>, usize) {
    let eigen = SymmetricEigen::new(matrix);
    let largest = eigen.eigenvalues.iter().fold(0.0, |most: f64, value| most.max(value.abs()));
    #[allow(clippy::cast_precision_loss, reason = "four parts")]
    let least = largest * PARTS as f64 * f64::EPSILON;
    let inverted = eigen.eigenvalues.map(|value| if value.abs() > least { 1.0 / value } else { 0.0 });
    let rank = inverted.iter().filter(|value| **value != 0.0).count();
    let vectors = eigen.eigenvectors;
    (&vectors * DMatrix::from_diagonal(&inverted) * vectors.transpose(), rank)
}

/// Interquartile range of both samples together, by linear interpolation.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "an index of the list"
)]
fn interquartile_range(a: &[f64], b: &[f64]) -> f64 {
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    let Some(last) = all.len().checked_sub(1) else { return 0.0 };
    let quantile = |level: f64| {
        let at = level * last as f64;
        let (low, high) = (all[at.floor() as usize], all[at.ceil() as usize]);
        low + (high - low) * at.fract()
    };
    quantile(0.75) - quantile(0.25)
}
