//! Cramér-von Mises test of two samples (Anderson 1962, "On the distribution of the two-sample Cramér-von Mises criterion").

use std::collections::BTreeMap;
use std::f64::consts::PI;

use super::super::bins::PairedCounts;

/// Most values of a sample for the exact distribution.
const MOST_EXACT: f64 = 20.0;
/// Step of the integral of a Bessel function: the error of the trapezoidal rule falls exponentially with it.
const STEP: f64 = 0.05;
/// Terms of the limiting distribution below this end its series.
const LEAST_TERM: f64 = 1e-7;

/// p-value of the Cramér-von Mises test: exact for at most 20 values on each side, beyond that by the limiting distribution.
pub(in super::super) fn cramer_von_mises(counts: &PairedCounts) -> f64 {
    let sizes: [f64; 2] = [counts.reference.iter().sum(), counts.current.iter().sum()];
    if sizes[0].min(sizes[1]) < 2.0 {
        return f64::NAN;
    }
    let [m, n] = sizes;
    let u = rank_statistic(counts, sizes);
    if m.max(n) <= MOST_EXACT {
        return exact(u, sizes);
    }
    let (pairs, all) = (m * n, m + n);
    let statistic = u / (pairs * all) - (4.0 * pairs - 1.0) / (6.0 * all);
    let mean = (1.0 + 1.0 / all) / 6.0;
    let variance = (all + 1.0) * (4.0 * pairs * all - 3.0 * (m * m + n * n) - 2.0 * pairs)
        / (45.0 * all * all * 4.0 * pairs);
    let normed = 1.0 / 6.0 + (statistic - mean) / (45.0 * variance).sqrt();
    // The distribution is below 1.3e-18 there.
    if normed < 0.003 { 1.0 } else { (1.0 - limit(normed)).clamp(0.0, 1.0) }
}

/// Statistic U: squared differences of the ranks in both samples together, the middle rank for ties, from those in one sample.
fn rank_statistic(counts: &PairedCounts, sizes: [f64; 2]) -> f64 {
    let (mut seen, mut sums) = ([0.0, 0.0], [0.0, 0.0]);
    for (a, b) in counts.cells() {
        let rank = seen[0] + seen[1] + f64::midpoint(a + b, 1.0);
        for (side, own) in [a, b].into_iter().enumerate() {
            let ahead = rank - seen[side];
            sums[side] +=
                own * ahead * ahead - ahead * own * (own + 1.0) + own * (own + 1.0) * (2.0 * own + 1.0) / 6.0;
        }
        seen = [seen[0] + a, seen[1] + b];
    }
    sizes[0] * sums[0] + sizes[1] * sums[1]
}

/// Share of the orders of two small samples with a statistic of at least `u` (Xiao, Gordon and Yakovlev 2006, "A C++ program for
/// the Cramér-von Mises two-sample test"), by the number of paths with each value of the criterion.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    clippy::cast_possible_wrap,
    reason = "at most 20 values on a side"
)]
fn exact(u: f64, sizes: [f64; 2]) -> f64 {
    let [m, n] = sizes.map(|size| size.round() as u64);
    let multiple = m / gcd(m, n) * n;
    let (a, b) = ((multiple / m) as i64, (multiple / n) as i64);
    let pairs = (m * n) as f64;
    let scale = (multiple * multiple * (m + n)) as f64;
    let least = (scale * (6.0 * u - pairs * (4.0 * pairs - 1.0)) / (6.0 * pairs * pairs)).floor();
    let mut paths: Vec<BTreeMap<u64, f64>> = vec![BTreeMap::new(); m as usize + 1];
    paths[0].insert(0, 1.0);
    for down in 0..=n as i64 {
        let mut left: BTreeMap<u64, f64> = BTreeMap::new();
        for (across, own) in paths.iter_mut().enumerate() {
            for (value, count) in own.iter() {
                *left.entry(*value).or_default() += count;
            }
            let step = (a * across as i64 - b * down).unsigned_abs().pow(2);
            left = left.into_iter().map(|(value, count)| (value + step, count)).collect();
            own.clone_from(&left);
        }
    }
    let last = &paths[m as usize];
    let all: f64 = last.values().sum();
    last.iter().filter(|(value, _)| **value as f64 >= least).map(|(_, count)| count).sum::<f64>() / all
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Limiting distribution of the criterion (Csörgő and Faraway 1996, "The exact and asymptotic distributions of Cramér-von Mises
/// statistics", equation 1.3).
fn limit(x: f64) -> f64 {
    // Gamma(k + 1/2) / k!
    let mut ratio = PI.sqrt();
    let (mut sum, mut k) = (0.0, 0.0);
    loop {
        let y: f64 = 4.0 * k + 1.0;
        let term = ratio / (PI.powf(1.5) * x.sqrt()) * y.sqrt() * damped_bessel(y * y / (16.0 * x));
        sum += term;
        if term.is_nan() || term < LEAST_TERM {
            return sum;
        }
        ratio *= (k + 0.5) / (k + 1.0);
        k += 1.0;
    }
}

/// `exp(-q)` times the modified Bessel function of the second kind of order 1/4, by its integral over `exp(-q cosh t) cosh(t / 4)`.
fn damped_bessel(q: f64) -> f64 {
    let value = |t: f64| (-q * (1.0 + t.cosh())).exp() * (t / 4.0).cosh();
    let (mut sum, mut t) = (value(0.0) / 2.0, STEP);
    loop {
        let next = value(t);
        sum += next;
        if next < sum * 1e-18 || t > 700.0 {
            return sum * STEP;
        }
        t += STEP;
    }
}
