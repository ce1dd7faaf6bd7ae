//! Permutation importance (Breiman 2001) with intervals over repeats.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::bootstrap::draws::{key, permutation};

/// Loss of a score when the values of one feature are shuffled among the rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FeatureImportance {
    /// Mean of the repeats: the score of all rows minus that with shuffled values.
    pub mean: f64,
    /// Standard deviation of the repeats, divided by their number, as scikit-learn's `importances_std`.
    pub deviation: f64,
    /// Interval of the mean over shuffles, from Student's t; `None` for a single repeat.
    pub interval: Option<[f64; 2]>,
    /// Each repeat.
    pub repeats: Vec<f64>,
}

/// Importance of `features` features. `score` gets a feature and the row that each row takes its value from, and returns
/// the score (larger is better) of the rows so changed; `all` is the score of the rows as they are.
///
/// The interval is that of the mean over shuffles at `coverage`, such as 0.95; other rows would vary it further.
///
/// # Errors
/// The errors of `score`.
pub fn permutation_importance<E>(
    (features, rows): (usize, usize),
    (repeats, seed): (usize, u64),
    coverage: f64,
    all: f64,
    mut score: impl FnMut(usize, &[usize]) -> Result<f64, E>,
) -> Result<Vec<FeatureImportance>, E> {
    let mut found = Vec::with_capacity(features);
    for feature in 0..features {
        let losses = (0..repeats).map(|repeat| {
            let order = permutation(key(seed, [feature as u64, repeat as u64]), rows);
            Ok(all - score(feature, &order)?)
        });
        found.push(summary(losses.collect::<Result<_, E>>()?, coverage));
    }
    Ok(found)
}

fn summary(repeats: Vec<f64>, coverage: f64) -> FeatureImportance {
    let count = repeats.len() as f64;
    let mean = repeats.iter().sum::<f64>() / count;
    let squares: f64 = repeats.iter().map(|loss| (loss - mean).powi(2)).sum();
    let interval = StudentsT::new(0.0, 1.0, count - 1.0).ok().filter(|_| repeats.len() > 1).map(|student| {
        let half = student.inverse_cdf(0.5 + coverage / 2.0) * (squares / (count - 1.0) / count).sqrt();
        [mean - half, mean + half]
    });
    FeatureImportance { mean, deviation: (squares / count).sqrt(), interval, repeats }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    #[test]
    fn a_feature_without_effect_has_no_importance_and_others_their_covariance() {
        let rows = 400;
        let value = |row: usize, feature: usize| ((row * (7 + 6 * feature)) % rows) as f64 / rows as f64;
        let target = |row: usize| 2.0 * value(row, 0) + value(row, 1);
        // Negative mean squared error of the true function.
        let mut score = |feature: usize, order: &[usize]| {
            let shuffled = |row: usize, own: usize| value(if own == feature { order[row] } else { row }, own);
            let error = |row: usize| (2.0 * shuffled(row, 0) + shuffled(row, 1) - target(row)).powi(2);
            Ok::<_, Infallible>(-(0..rows).map(error).sum::<f64>() / rows as f64)
        };
        let found = permutation_importance((3, rows), (10, 4), 0.95, 0.0, &mut score).unwrap();
        // Twice the variance of the term: 4 / 12 and 1 / 12.
        for (found, expected) in found.iter().zip([2.0 * 4.0 / 12.0, 2.0 / 12.0, 0.0]) {
            assert!((found.mean - expected).abs() < 0.1 * expected + 1e-12, "{found:?}, expected {expected}");
            let [low, high] = found.interval.unwrap();
            assert!(low <= found.mean && found.mean <= high);
        }
        assert_eq!(found, permutation_importance((3, rows), (10, 4), 0.95, 0.0, &mut score).unwrap());
        let single = permutation_importance((1, rows), (1, 4), 0.95, 0.0, &mut score).unwrap();
        assert_eq!(single[0].interval, None);
    }

    #[test]
    fn intervals_are_those_of_student() {
        let found = summary(vec![1.0, 2.0, 3.0, 4.0], 0.95);
        // scipy.stats.t.interval(0.95, 3, 2.5, scipy.stats.sem([1, 2, 3, 4]))
        let [low, high] = found.interval.unwrap();
        assert!((low - 0.445_739_743_239_121).abs() < 1e-9 && (high - 4.554_260_256_760_879).abs() < 1e-9);
    }
}
