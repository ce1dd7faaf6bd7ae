//! Maximum mean discrepancy (Gretton et al. 2012, "A kernel two-sample test"), the unbiased estimate of its square.

use super::EmbeddingRows;
use crate::twister::MersenneTwister;

/// Rows of each side that the width of the kernel is estimated with.
const MOST_FOR_WIDTH: usize = 1000;

/// Discrepancy with a Gaussian kernel, whose width is the median distance of rows of both sides; at least 0. `None` for fewer than two
/// rows on a side.
#[allow(clippy::cast_precision_loss, reason = "a number of rows")]
pub(super) fn mean_discrepancy(reference: &EmbeddingRows, current: &EmbeddingRows) -> Option<f64> {
    let (m, n) = (reference.len(), current.len());
    if m < 2 || n < 2 {
        return None;
    }
    let gamma = 1.0 / median_distance(reference, current).powi(2);
    let kernel = |a: &[f64], b: &[f64]| (-gamma * squared_distance(a, b)).exp();
    let within = |rows: &EmbeddingRows| {
        let of_row = |at: usize| -> f64 { (0..at).map(|other| kernel(rows.row(at), rows.row(other))).sum() };
        let count = rows.len() as f64;
        2.0 * (0..rows.len()).map(of_row).sum::<f64>() / (count * (count - 1.0))
    };
    let of_row =
        |at: usize| -> f64 { (0..n).map(|other| kernel(reference.row(at), current.row(other))).sum() };
    let between = (0..m).map(of_row).sum::<f64>() * 2.0 / (m as f64 * n as f64);
    let found = within(reference) + within(current) - between;
    found.is_finite().then(|| found.max(0.0))
}

fn squared_distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// Median distance between rows of both sides.
fn median_distance(reference: &EmbeddingRows, current: &EmbeddingRows) -> f64 {
    let [a, b] = [reference, current].map(|rows| sampled(rows.len()));
    let pairs = a.iter().flat_map(|one| b.iter().map(move |other| (*one, *other)));
    let mut distances: Vec<f64> =
        pairs.map(|(one, other)| squared_distance(reference.row(one), current.row(other)).sqrt()).collect();
    let (middle, pairs_are_odd) = (distances.len() / 2, distances.len() % 2 == 1);
    let (below, upper, _) = distances.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = below.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if pairs_are_odd { *upper } else { f64::midpoint(lower, *upper) }
}

/// Rows that `sample` of pandas draws with seed 0: all of a few.
fn sampled(rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    if rows > MOST_FOR_WIDTH {
        MersenneTwister::of_numpy(0).numpy_shuffle(&mut order);
        order.truncate(MOST_FOR_WIDTH);
    }
    order
}
