//! Partial dependence (Friedman 2001): the mean prediction when one feature has the same value in all rows.

use serde::{Deserialize, Serialize};

/// Predictions by the value of one feature, over all rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DependenceCurve {
    /// Mean prediction at each value.
    pub mean: Vec<f64>,
    /// First and last decile of the predictions at each value.
    pub deciles: Vec<[f64; 2]>,
}

/// Values at which a curve of a number is drawn: the distinct values if they are fewer than `resolution`, else
/// `resolution` equal steps between the quantiles at `between`, such as 0.05 and 0.95, as scikit-learn's
/// `partial_dependence`. Values that are not finite are left out.
pub fn dependence_grid(values: &[f64], resolution: usize, between: [f64; 2]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let mut distinct = sorted.clone();
    distinct.dedup();
    if distinct.len() < resolution || distinct.len() < 2 || resolution < 2 {
        return distinct;
    }
    let [low, high] = between.map(|share| quantile(&sorted, share));
    let step = (high - low) / (resolution - 1) as f64;
    (0..resolution).map(|at| if at + 1 == resolution { high } else { low + step * at as f64 }).collect()
}

/// Quantile of sorted values with `alphap = betap = 0.4`, the default of `scipy.stats.mstats.mquantiles`.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "between 1 and the number of values"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let count = sorted.len() as f64;
    let position = count * share + 0.4 + share * 0.2;
    let below = position.clamp(1.0, (count - 1.0).max(1.0)).floor();
    let part = (position - below).clamp(0.0, 1.0);
    let at = |index: usize| sorted[index.min(sorted.len() - 1)];
    (1.0 - part) * at(below as usize - 1) + part * at(below as usize)
}

/// Curve over `points` values of a feature. `predict` returns the predictions of all rows with the value of that index.
///
/// # Errors
/// The errors of `predict`.
pub fn partial_dependence<E>(
    points: usize,
    mut predict: impl FnMut(usize) -> Result<Vec<f64>, E>,
) -> Result<DependenceCurve, E> {
    let (mut mean, mut deciles) = (Vec::with_capacity(points), Vec::with_capacity(points));
    for point in 0..points {
        let mut found = predict(point)?;
        mean.push(found.iter().sum::<f64>() / found.len() as f64);
        found.sort_unstable_by(f64::total_cmp);
        deciles
            .push([0.1, 0.9].map(|share| if found.is_empty() { f64::NAN } else { quantile(&found, share) }));
    }
    Ok(DependenceCurve { mean, deciles })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_distinct_values_are_their_own_grid() {
        let values = [3.0, 1.0, 1.0, f64::NAN, 2.0];
        assert_eq!(dependence_grid(&values, 10, [0.05, 0.95]), [1.0, 2.0, 3.0]);
        assert_eq!(dependence_grid(&[], 10, [0.05, 0.95]), Vec::<f64>::new());
        assert_eq!(dependence_grid(&[1.0; 9], 1, [0.05, 0.95]), [1.0]);
        let many: Vec<f64> = (0..1_000).map(f64::from).collect();
        let grid = dependence_grid(&many, 5, [0.0, 1.0]);
        assert_eq!(grid, [0.0, 249.75, 499.5, 749.25, 999.0]);
    }
}
