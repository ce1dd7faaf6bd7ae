//! Two-sample Kolmogorov-Smirnov test as `SciPy` computes it: exact for at most 10,000 values on each side (Hodges 1958), beyond
//! that by the distribution of the one-sample statistic (Simard and L'Ecuyer 2011, "Computing the two-sided
//! Kolmogorov-Smirnov distribution").

mod distribution;

use crate::profile::SortedNumbers;

/// Most values on a side for the exact distribution.
const MOST_EXACT: u64 = 10_000;

/// Two-sided p-value.
pub(super) fn kolmogorov_smirnov(reference: &SortedNumbers, current: &SortedNumbers) -> f64 {
    let distance = largest_difference(&reference.sorted, &current.sorted);
    let (n1, n2) = (reference.count, current.count);
    if n1.max(n2) <= MOST_EXACT {
        return exact(n1, n2, distance).clamp(0.0, 1.0);
    }
    #[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
    let (m, n) = (n1.max(n2) as f64, n1.min(n2) as f64);
    distribution::survival((m * n / (m + n)).round_ties_even(), distance)
}

/// Largest difference of the empirical distribution functions.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 values")]
fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    let (mut at, mut with, mut largest) = (0, 0, 0.0f64);
    while at < a.len() && with < b.len() {
        let value = a[at].min(b[with]);
        while a.get(at).is_some_and(|other| *other <= value) {
            at += 1;
        }
        while b.get(with).is_some_and(|other| *other <= value) {
            with += 1;
        }
        largest = largest.max((at as f64 / a.len() as f64 - with as f64 / b.len() as f64).abs());
    }
    largest
}

/// Share of the lattice paths from (0, 0) to (m, n) that reach the distance from the diagonal, column by column.
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    reason = "at most 10,000 values on a side"
)]
fn exact(n1: u64, n2: u64, distance: f64) -> f64 {
    let (m, n) = (n1.max(n2), n1.min(n2));
    let divisor = gcd(m, n);
    let (mg, ng) = ((m / divisor) as i64, (n / divisor) as i64);
    let multiple = (m / divisor) * n;
    let h = (distance * multiple as f64).round_ties_even() as i64;
    if h == 0 {
        return 1.0;
    }
    let n = n as i64;
    // Shares of the paths to (i, j) that have been outside, for j from `first`; all others have.
    let mut first = 0;
    let mut column = vec![0.0; ceiled(h, mg).min(n + 1) as usize];
    for i in 1..=m as i64 {
        let before = first;
        first = ((ng * i - h).div_euclid(mg) + 1).clamp(0, n);
        let end = ceiled(ng * i + h, mg).min(n + 1);
        if end <= first {
            return 1.0;
        }
        let mut below = if first == 0 { 0.0 } else { 1.0 };
        let next = (first..end).map(|j| {
            let left = column.get((j - before) as usize).copied().unwrap_or(1.0);
            below = (left * i as f64 + below * j as f64) / (i + j) as f64;
            below
        });
        column = next.collect();
    }
    column.last().copied().unwrap_or(1.0)
}

fn ceiled(number: i64, divisor: i64) -> i64 {
    -(-number).div_euclid(divisor)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}
