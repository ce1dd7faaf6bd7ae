//! Tests of two samples: p-values.

use statrs::distribution::{ChiSquared, ContinuousCDF, Normal, StudentsT};

use super::bins::PairedCounts;
use crate::profile::SortedNumbers;

/// p-value of Pearson's chi-square test of current counts against those expected by the reference. Not a number with fewer than
/// two cells.
#[allow(
    clippy::cast_precision_loss,
    clippy::float_cmp,
    reason = "a number of cells; nothing is expected of an empty one"
)]
pub(super) fn chi_square(counts: &PairedCounts) -> f64 {
    let scale = counts.current.iter().sum::<f64>() / counts.reference.iter().sum::<f64>();
    let terms = counts.current.iter().zip(&counts.reference).map(|(found, reference)| {
        let expected = reference * scale;
        if *found == expected { 0.0 } else { (found - expected).powi(2) / expected }
    });
    let statistic: f64 = terms.sum();
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
pub(super) fn student(reference: &SortedNumbers, current: &SortedNumbers) -> f64 {
    let (n1, n2) = (reference.count as f64, current.count as f64);
    let freedom = n1 + n2 - 2.0;
    let squares = n1 * reference.deviation.powi(2) + n2 * current.deviation.powi(2);
    let error = (squares / freedom * (1.0 / n1 + 1.0 / n2)).sqrt();
    let statistic = (reference.mean - current.mean) / error;
    StudentsT::new(0.0, 1.0, freedom).map_or(f64::NAN, |distribution| 2.0 * distribution.sf(statistic.abs()))
}
