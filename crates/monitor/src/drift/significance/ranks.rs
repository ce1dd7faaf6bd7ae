//! Tests of the ranks of two samples, from the counts of their values in ascending order.

use statrs::distribution::{ContinuousCDF, Normal};

use super::super::bins::PairedCounts;

/// Most values of the smaller sample, without ties, for the exact distribution of U.
const MOST_EXACT: f64 = 8.0;
/// Most pairs of values for the exact distribution of U: its counts fit into 128 bits.
const MOST_PAIRS: f64 = 8e5;

/// p-value of the Mann-Whitney U test (1947) against the alternative that the reference is less than the current data.
pub(in super::super) fn mann_whitney(counts: &PairedCounts) -> f64 {
    let (n1, n2): (f64, f64) = (counts.reference.iter().sum(), counts.current.iter().sum());
    let (mut below, mut u, mut ties, mut is_tied) = (0.0, 0.0, 0.0, false);
    for (a, b) in counts.cells() {
        u += b * (below + a / 2.0);
        below += a;
        let tied = a + b;
        ties += tied.powi(3) - tied;
        is_tied |= tied > 1.0;
    }
    if !is_tied && n1.min(n2) <= MOST_EXACT && n1 * n2 <= MOST_PAIRS {
        return exact(n1.min(n2), n1.max(n2), n1 * n2 - u);
    }
    let n = n1 + n2;
    let deviation = (n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)))).sqrt();
    Normal::standard().sf((u - n1 * n2 / 2.0 - 0.5) / deviation)
}

/// Share of the orders of two samples in which U is at most `most`: the coefficients of a Gaussian binomial.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "whole numbers below 2^20; a share needs no more digits"
)]
fn exact(small: f64, large: f64, most: f64) -> f64 {
    let (small, large, most) = (small as usize, large as usize, most as usize);
    let mut ways = vec![0u128; small * large + 1];
    ways[0] = 1;
    for factor in 1..=small {
        for at in factor..ways.len() {
            ways[at] = ways[at].wrapping_add(ways[at - factor]);
        }
        for at in (large + factor..ways.len()).rev() {
            ways[at] = ways[at].wrapping_sub(ways[at - large - factor]);
        }
    }
    let all: f64 = ways.iter().map(|ways| *ways as f64).sum();
    ways.iter().take(most + 1).map(|ways| *ways as f64).sum::<f64>() / all
}

/// Coefficients of the logarithm of the p-value as a polynomial of the normalised statistic, from the second power down: a fit to
/// the critical values of Scholz and Stephens for two samples.
const ANDERSON_FIT: [f64; 3] = [0.018_198_094_574_111_47, -1.008_226_564_465_251_5, -1.077_770_279_820_484];
/// Smallest and largest critical value.
const ANDERSON_RANGE: [f64; 2] = [0.325_000_000_000_000_07, 6.546];
/// p-values at these.
const ANDERSON_LEVELS: [f64; 2] = [0.25, 0.001];

/// p-value of the Anderson-Darling test of two samples (Scholz and Stephens 1987, "K-sample Anderson-Darling tests", statistic of
/// midranks), between 0.001 and 0.25.
pub(in super::super) fn anderson_darling(counts: &PairedCounts) -> f64 {
    let sizes: [f64; 2] = [counts.reference.iter().sum(), counts.current.iter().sum()];
    let n = sizes[0] + sizes[1];
    if counts.current.len() < 2 {
        return 1.0;
    }
    if n < 4.0 {
        return f64::NAN;
    }
    let (mut seen, mut sums) = ([0.0, 0.0], [0.0, 0.0]);
    for (a, b) in counts.cells() {
        let tied = a + b;
        let middle = seen[0] + seen[1] + tied / 2.0;
        let weight = middle * (n - middle) - n * tied / 4.0;
        for (side, own) in [a, b].into_iter().enumerate() {
            let rank = seen[side] + own / 2.0;
            sums[side] += tied / n * (n * rank - middle * sizes[side]).powi(2) / weight;
            seen[side] += own;
        }
    }
    let statistic = (sums[0] / sizes[0] + sums[1] / sizes[1]) * (n - 1.0) / n;
    let normed = (statistic - 1.0) / anderson_variance(sizes).sqrt();
    if normed < ANDERSON_RANGE[0] {
        return ANDERSON_LEVELS[0];
    }
    if normed > ANDERSON_RANGE[1] {
        return ANDERSON_LEVELS[1];
    }
    ANDERSON_FIT.iter().fold(0.0, |sum, factor| sum * normed + factor).exp()
}

/// Variance of the statistic of two samples.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "numbers of rows"
)]
fn anderson_variance(sizes: [f64; 2]) -> f64 {
    let n = sizes[0] + sizes[1];
    let inverse = 1.0 / sizes[0] + 1.0 / sizes[1];
    let (mut h, mut g) = (0.0, 0.0);
    for at in 2..n.round() as u64 {
        h += 1.0 / (n - at as f64 + 1.0);
        g += h / at as f64;
    }
    let h = h + 1.0;
    let a = (4.0 * g - 6.0) + (10.0 - 6.0 * g) * inverse;
    let b = (2.0 * g - 4.0) * 4.0 + 16.0 * h + (2.0 * g - 14.0 * h - 4.0) * inverse - 8.0 * h + 4.0 * g - 6.0;
    let c = (6.0 * h + 2.0 * g - 2.0) * 4.0
        + (4.0 * h - 4.0 * g + 6.0) * 2.0
        + (2.0 * h - 6.0) * inverse
        + 4.0 * h;
    let d = (2.0 * h + 6.0) * 4.0 - 8.0 * h;
    (a * n.powi(3) + b * n * n + c * n + d) / ((n - 1.0) * (n - 2.0) * (n - 3.0))
}
