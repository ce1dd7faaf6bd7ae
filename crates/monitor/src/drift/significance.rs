//! Tests of two samples: p-values.

mod cramer;
mod epps;
mod ranks;
mod shares;

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

pub(super) use self::cramer::cramer_von_mises;
pub(super) use self::epps::epps_singleton;
pub(super) use self::ranks::{anderson_darling, mann_whitney};
pub(super) use self::shares::{fisher_exact, permuted_variation};

use super::bins::PairedCounts;
use crate::profile::SortedNumbers;

/// p-value of Pearson's chi-square test of current counts against those expected by the reference. Not a number with fewer than
/// two cells.
#[allow(clippy::float_cmp, reason = "nothing is expected of an empty cell")]
pub(super) fn chi_square(counts: &PairedCounts) -> f64 {
    of_divergence(
        counts,
        |found, expected| {
            if found == expected { 0.0 } else { (found - expected).powi(2) / expected }
        },
    )
}

/// p-value of the G-test, that of the likelihood ratio, of current counts against those expected by the reference.
pub(super) fn likelihood_ratio(counts: &PairedCounts) -> f64 {
    of_divergence(
        counts,
        |found, expected| if found > 0.0 { 2.0 * found * (found / expected).ln() } else { 0.0 },
    )
}

/// p-value of a sum over cells of the found and the expected count, by the chi-square distribution.
#[allow(clippy::cast_precision_loss, reason = "a number of cells")]
fn of_divergence(counts: &PairedCounts, term: impl Fn(f64, f64) -> f64) -> f64 {
    let scale = counts.current.iter().sum::<f64>() / counts.reference.iter().sum::<f64>();
    let statistic: f64 = counts.cells().map(|(reference, found)| term(found, reference * scale)).sum();
    let cells = counts.current.len();
    match ChiSquared::new(cells.saturating_sub(1) as f64) {
        _ if statistic.is_infinite() => 0.0,
        Ok(distribution) => distribution.sf(statistic),
        // One value in both: nothing can differ.
        Err(_) => 1.0,
    }
}

/// p-value of the z-test of the share of the first of two values.
pub(super) fn two_shares(counts: &PairedCounts) -> f64 {
    let (reference, current) = (&counts.reference, &counts.current);
    let (n1, n2): (f64, f64) = (reference.iter().sum(), current.iter().sum());
    let (p1, p2) = (1.0 - reference.first().unwrap_or(&0.0) / n1, 1.0 - current.first().unwrap_or(&0.0) / n2);
    if reference.len() < 2 {
        return 1.0;
    }
    let pooled = (p1 * n1 + p2 * n2) / (n1 + n2);
    let z = (p1 - p2) / (pooled * (1.0 - pooled) * (1.0 / n1 + 1.0 / n2)).sqrt();
    2.0 * Normal::standard().sf(z.abs())
}

/// p-value of Student's t-test with equal variances.
#[allow(clippy::cast_precision_loss, reason = "fewer than 2^53 rows")]
pub(crate) fn student(reference: &SortedNumbers, current: &SortedNumbers) -> f64 {
    let (n1, n2) = (reference.count as f64, current.count as f64);
    let freedom = n1 + n2 - 2.0;
    let squares = n1 * reference.deviation.powi(2) + n2 * current.deviation.powi(2);
    let error = (squares / freedom * (1.0 / n1 + 1.0 / n2)).sqrt();
    let statistic = (reference.mean - current.mean) / error;
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |distribution| 2.0 * distribution.sf(statistic.abs()))
}
