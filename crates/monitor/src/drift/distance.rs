//! Distances between two distributions.

use super::bins::{PairedCounts, sturges_edges};
use crate::profile::SortedNumbers;

/// Integral of a power of the difference of two empirical distribution functions, over all numbers.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 values")]
fn integral(a: &[f64], b: &[f64], power: i32) -> f64 {
    let (mut at, mut with, mut sum) = (0, 0, 0.0);
    let mut before: Option<f64> = None;
    while at < a.len() || with < b.len() {
        let value = match (a.get(at), b.get(with)) {
            (Some(a), Some(b)) => a.min(*b),
            (Some(one), None) | (None, Some(one)) => *one,
            (None, None) => break,
        };
        if let Some(before) = before {
            let difference = at as f64 / a.len() as f64 - with as f64 / b.len() as f64;
            sum += difference.abs().powi(power) * (value - before);
        }
        before = Some(value);
        while a.get(at).is_some_and(|other| *other <= value) {
            at += 1;
        }
        while b.get(with).is_some_and(|other| *other <= value) {
            with += 1;
        }
    }
    sum
}

/// Wasserstein distance in standard deviations of the reference, which count as at least 0.001.
pub(super) fn wasserstein(reference: &SortedNumbers, current: &SortedNumbers) -> f64 {
    let distance = integral(&reference.sorted, &current.sorted, 1);
    if distance.is_finite() && reference.deviation.is_finite() {
        return distance / reference.deviation.max(0.001);
    }
    // The squares of huge values overflow; the ratio is the same in any unit.
    let ends = [&reference.sorted, &current.sorted].map(|sorted| [sorted.first(), sorted.last()]);
    let unit = ends.iter().flatten().flatten().fold(1.0, |unit: f64, end| unit.max(end.abs()));
    let [reference, current] = [&reference.sorted, &current.sorted]
        .map(|sorted| sorted.iter().map(|value| value / unit).collect::<Vec<_>>());
    integral(&reference, &current, 1) / SortedNumbers::deviation_of(&reference).1.max(f64::MIN_POSITIVE)
}

/// Energy distance.
pub(super) fn energy(reference: &SortedNumbers, current: &SortedNumbers) -> f64 {
    (2.0 * integral(&reference.sorted, &current.sorted, 2)).sqrt()
}

/// `p ln(p / q)`, 0 where p is 0.
fn relative_entropy(p: f64, q: f64) -> f64 {
    if p > 0.0 { p * (p / q).ln() } else { 0.0 }
}

/// Jensen-Shannon distance: the root of the divergence.
pub(super) fn jensen_shannon(counts: &PairedCounts) -> f64 {
    let PairedCounts { reference, current } = counts.shares();
    let halves = reference.iter().zip(&current).map(|(p, q)| {
        let middle = (p + q) / 2.0;
        relative_entropy(*p, middle) + relative_entropy(*q, middle)
    });
    (halves.sum::<f64>().max(0.0) / 2.0).sqrt()
}

/// Population stability index.
pub(super) fn stability_index(counts: &PairedCounts) -> f64 {
    let PairedCounts { reference, current } = counts.filled_shares();
    reference.iter().zip(&current).map(|(p, q)| (p - q) * (p / q).ln()).sum()
}

/// Kullback-Leibler divergence.
pub(super) fn kullback_leibler(counts: &PairedCounts) -> f64 {
    // Filled shares sum to more than one.
    let filled = counts.filled_shares();
    let PairedCounts { reference, current } = filled.shares();
    reference.iter().zip(&current).map(|(p, q)| relative_entropy(*p, *q)).sum()
}

/// Hellinger distance of shares.
pub(super) fn hellinger(counts: &PairedCounts) -> f64 {
    let PairedCounts { reference, current } = counts.shares();
    let overlap: f64 = reference.iter().zip(&current).map(|(p, q)| (p * q).sqrt()).sum();
    (1.0 - overlap.clamp(0.0, 1.0)).sqrt()
}

/// Hellinger distance of numbers, in bins whose number depends on the number of distinct values.
pub(super) fn hellinger_of_numbers(reference: &SortedNumbers, current: &SortedNumbers) -> f64 {
    let (a, b) = (&reference.sorted, &current.sorted);
    let mut all: Vec<f64> = a.iter().chain(b).copied().collect();
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    let edges = sturges_edges(a, b, all.len());
    let counts = |values: &[f64]| super::bins::histogram(values, &edges);
    hellinger(&PairedCounts { reference: counts(a), current: counts(b) })
}

/// Total variation distance.
pub(super) fn total_variation(counts: &PairedCounts) -> f64 {
    let PairedCounts { reference, current } = counts.shares();
    reference.iter().zip(&current).map(|(p, q)| (p - q).abs()).sum::<f64>() / 2.0
}
