//! Distances between two distributions over the same bins.

use statrs::distribution::{ChiSquared, ContinuousCDF as _};

/// Expected rows of a bin below which the chi-square test pools it with its neighbours (Cochran, "Some methods for
/// strengthening the common chi-square tests", Biometrics 10, 1954).
const LEAST_EXPECTED: f64 = 5.0;

fn total(counts: &[u64]) -> f64 {
    counts.iter().map(|count| *count as f64).sum()
}

/// Population stability index: the sum of `(q - p) ln(q / p)` over the bins, where half a row is added to each bin so that
/// an empty one has a share. `None` without rows.
pub(super) fn psi(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (all_reference, all_current) = (total(reference), total(current));
    if all_reference == 0.0 || all_current == 0.0 {
        return None;
    }
    // A bin that both sides lack does not count.
    let bins = || reference.iter().zip(current).filter(|(a, b)| **a + **b > 0);
    let half = 0.5 * bins().count() as f64;
    let each = bins().map(|(reference, current)| {
        let p = (*reference as f64 + 0.5) / (all_reference + half);
        let q = (*current as f64 + 0.5) / (all_current + half);
        (q - p) * (q / p).ln()
    });
    Some(each.sum())
}

/// Jensen-Shannon distance, the square root of the divergence with natural logarithms (Endres and Schindelin, "A new metric
/// for probability distributions", 2003), as `scipy`'s `jensenshannon`. `None` without rows.
pub(super) fn jensen_shannon(reference: &[u64], current: &[u64]) -> Option<f64> {
    let (all_reference, all_current) = (total(reference), total(current));
    if all_reference == 0.0 || all_current == 0.0 {
        return None;
    }
    let term = |p: f64, middle: f64| if p > 0.0 { p * (p / middle).ln() } else { 0.0 };
    let each = reference.iter().zip(current).map(|(reference, current)| {
        let (p, q) = (*reference as f64 / all_reference, *current as f64 / all_current);
        let middle = f64::midpoint(p, q);
        term(p, middle) + term(q, middle)
    });
    Some((each.sum::<f64>() / 2.0).max(0.0).sqrt())
}

/// Largest difference of the cumulative shares at the borders of the bins: the Kolmogorov-Smirnov statistic of the binned
/// values, which is at most that of the values. `None` without rows.
pub(super) fn kolmogorov_smirnov(reference: &[u64], current: &[u64]) -> Option<f64> {
    differences(reference, current).map(|all| all.iter().fold(0.0, |most: f64, one| most.max(one.abs())))
}

/// Current cumulative share minus that of the reference, after each bin.
fn differences(reference: &[u64], current: &[u64]) -> Option<Vec<f64>> {
    let (all_reference, all_current) = (total(reference), total(current));
    if all_reference == 0.0 || all_current == 0.0 {
        return None;
    }
    let (mut p, mut q) = (0.0, 0.0);
    let each = reference.iter().zip(current).map(|(reference, current)| {
        p += *reference as f64 / all_reference;
        q += *current as f64 / all_current;
        q - p
    });
    Some(each.collect())
}

/// First Wasserstein distance if the values of each bin are spread evenly over it, in the unit of `edges`: the area between
/// the cumulative shares. `edges` are one more than bins. `None` without rows.
pub(super) fn wasserstein(edges: &[f64], reference: &[u64], current: &[u64]) -> Option<f64> {
    let after = differences(reference, current)?;
    let mut before = 0.0;
    let each = after.iter().zip(edges.windows(2)).map(|(after, edge)| {
        let (from, to) = (std::mem::replace(&mut before, *after), *after);
        let width = edge[1] - edge[0];
        let area = if from * to >= 0.0 {
            f64::midpoint(from.abs(), to.abs())
        } else {
            // The line crosses zero within the bin: two triangles.
            (from * from + to * to) / (2.0 * (from.abs() + to.abs()))
        };
        area * width
    });
    Some(each.sum())
}

/// Chi-square statistic of two samples over the same bins and its p-value (Press et al., "Numerical Recipes", section
/// 14.3). Neighbouring bins of few expected rows are pooled. `None` if fewer than two bins remain.
pub(super) fn chi_square(reference: &[u64], current: &[u64]) -> Option<(f64, f64)> {
    let (all_reference, all_current) = (total(reference), total(current));
    if all_reference == 0.0 || all_current == 0.0 {
        return None;
    }
    let least_share = all_reference.min(all_current) / (all_reference + all_current);
    let mut bins: Vec<(f64, f64)> = Vec::new();
    let mut pool = (0.0, 0.0);
    for (a, b) in reference.iter().zip(current) {
        pool = (pool.0 + *a as f64, pool.1 + *b as f64);
        if (pool.0 + pool.1) * least_share >= LEAST_EXPECTED {
            bins.push(std::mem::take(&mut pool));
        }
    }
    match bins.last_mut() {
        Some(last) => *last = (last.0 + pool.0, last.1 + pool.1),
        None => return None,
    }
    let freedom = bins.len() - 1;
    let law = ChiSquared::new(freedom as f64).ok()?;
    let ratio = (all_current / all_reference).sqrt();
    let each = bins.iter().map(|(a, b)| (ratio * a - b / ratio).powi(2) / (a + b));
    let statistic: f64 = each.sum();
    Some((statistic, law.sf(statistic)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<f64>, expected: f64) {
        assert!((found.unwrap() - expected).abs() < 1e-9, "{found:?} {expected}");
    }

    /// Figures of `scipy` 1.17.1: `scipy.spatial.distance.jensenshannon`, `scipy.stats.chi2_contingency(correction=False)`,
    /// and `scipy.stats.wasserstein_distance` of values that are dense in the bins.
    #[test]
    fn distances_equal_those_of_scipy() {
        let (reference, current) = ([100, 200, 300, 400], [20, 90, 60, 30]);
        near(jensen_shannon(&reference, &current), 0.232_696_719_229_407_43);
        let (statistic, p) = chi_square(&reference, &current).unwrap();
        near(Some(statistic), 72.173_215_717_722_54);
        assert!((p / 1.461_539_209_328_680_6e-15 - 1.0).abs() < 1e-6, "{p}");
        near(kolmogorov_smirnov(&reference, &current), 0.25);
        let found = wasserstein(&[0.0, 1.0, 2.0, 4.0, 8.0], &reference, &current).unwrap();
        assert!((found - 1.125).abs() < 1e-3, "{found}");
    }

    #[test]
    fn equal_distributions_have_no_distance_and_empty_ones_none_at_all() {
        let (reference, current) = ([10, 20, 30, 0], [100, 200, 300, 0]);
        for found in [
            psi(&reference, &current),
            jensen_shannon(&reference, &current),
            kolmogorov_smirnov(&reference, &current),
        ] {
            assert!(found.unwrap().abs() < 2e-3, "{found:?}");
        }
        assert!(chi_square(&reference, &current).unwrap().0 < 1e-20);
        assert_eq!(psi(&reference, &[0; 4]), None);
        assert_eq!(chi_square(&[0; 4], &current), None);
        assert_eq!(chi_square(&[5, 0], &[5, 0]), None);
    }

    #[test]
    fn a_shift_by_one_bin_has_a_distance_of_its_width() {
        near(wasserstein(&[0.0, 2.0, 4.0], &[10, 0], &[0, 7]), 2.0);
        // Each half of the middle bin moves outwards by 0.75 on average.
        near(wasserstein(&[0.0, 1.0, 2.0, 3.0], &[0, 2, 0], &[1, 0, 1]), 0.75);
    }
}
