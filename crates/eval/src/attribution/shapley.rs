//! Shapley values of any model: exact for few features, else estimated from antithetic permutations (Castro et al.
//! 2009; Mitchell et al. 2022, 4.1).

use crate::bootstrap::draws::{key, permutation};

/// Work that an estimate may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShapleyBudget {
    /// Evaluations of the model. With `n` features a pair of permutations takes `2 (n - 1)`; at least one pair is made.
    pub evaluations: usize,
    /// Seed of the permutations.
    pub seed: u64,
}

/// Shapley values with their uncertainty.
#[derive(Debug, Clone, PartialEq)]
pub struct PermutationShapley {
    /// Value of each feature.
    pub values: Vec<f64>,
    /// Standard error of each value: 0 for exact values; `None` after a single pair of permutations.
    pub standard_errors: Option<Vec<f64>>,
    /// Prediction without any feature.
    pub base: f64,
    /// Prediction with all features, equal to `base` plus the sum of the values.
    pub prediction: f64,
    /// Evaluations of the model.
    pub evaluations: usize,
    /// `true` if all subsets of the features were evaluated.
    pub exact: bool,
}

/// Shapley values of `features` features. `predict` gets masks `[rows, features]`, `true` where a row has the feature of
/// the explained row and `false` where it has that of the baseline.
///
/// `proceed` is asked between pairs of permutations; once it says `false`, the estimate ends with the pairs made so far.
///
/// # Errors
/// The errors of `predict`.
pub fn permutation_shapley<E>(
    features: usize,
    budget: ShapleyBudget,
    proceed: &mut dyn FnMut() -> bool,
    mut predict: impl FnMut(&[bool]) -> Result<Vec<f64>, E>,
) -> Result<PermutationShapley, E> {
    // The sums of all subsets need no estimate.
    if features < 16 && 1_usize << features <= budget.evaluations.max(8) {
        return exact(features, &mut predict);
    }
    let ends = predict(&[vec![false; features], vec![true; features]].concat())?;
    let (base, prediction) = (at(&ends, 0), at(&ends, 1));
    let (mut sums, mut squares) = (vec![0.0; features], vec![0.0; features]);
    let (mut evaluations, mut pairs) = (2, 0_u64);
    let cost = 2 * (features - 1);
    while pairs == 0 || evaluations + cost <= budget.evaluations && proceed() {
        let order = permutation(key(budget.seed, [pairs, 0]), features);
        let gains = gains_of_pair(&order, [base, prediction], &mut predict)?;
        for (feature, gain) in gains.into_iter().enumerate() {
            sums[feature] += gain;
            squares[feature] += gain * gain;
        }
        evaluations += cost;
        pairs += 1;
    }
    let count = pairs as f64;
    let values: Vec<f64> = sums.iter().map(|sum| sum / count).collect();
    let error = |(value, square): (&f64, &f64)| {
        let variance = (square / count - value * value).max(0.0) / (count - 1.0);
        variance.sqrt()
    };
    let standard_errors = (pairs > 1).then(|| values.iter().zip(&squares).map(error).collect());
    Ok(PermutationShapley { values, standard_errors, base, prediction, evaluations, exact: false })
}

/// Mean gain of each feature when features are added in `order`, and in the reverse of it.
fn gains_of_pair<E>(
    order: &[usize],
    [base, prediction]: [f64; 2],
    predict: &mut impl FnMut(&[bool]) -> Result<Vec<f64>, E>,
) -> Result<Vec<f64>, E> {
    let features = order.len();
    let reverse: Vec<usize> = order.iter().rev().copied().collect();
    let mut masks = Vec::with_capacity(2 * features * features);
    for order in [order, &reverse] {
        let mut mask = vec![false; features];
        for feature in &order[..features - 1] {
            mask[*feature] = true;
            masks.extend_from_slice(&mask);
        }
    }
    let found = predict(&masks)?;
    let mut gains = vec![0.0; features];
    for (half, order) in [order, &reverse].into_iter().enumerate() {
        let mut before = base;
        for (step, feature) in order.iter().enumerate() {
            let last = step + 1 == features;
            let after = if last { prediction } else { at(&found, half * (features - 1) + step) };
            gains[*feature] += 0.5 * (after - before);
            before = after;
        }
    }
    Ok(gains)
}

/// Shapley values from all subsets.
fn exact<E>(
    features: usize,
    predict: &mut impl FnMut(&[bool]) -> Result<Vec<f64>, E>,
) -> Result<PermutationShapley, E> {
    let subsets = 1_usize << features;
    let masks = (0..subsets).flat_map(|set| (0..features).map(move |feature| set >> feature & 1 == 1));
    let found = predict(&masks.collect::<Vec<bool>>())?;
    // Weight of a subset without the feature: its size's factorial times that of the others, by that of all.
    let mut weights = vec![1.0 / features.max(1) as f64; features.max(1)];
    for size in 1..features {
        weights[size] = weights[size - 1] * size as f64 / (features - size) as f64;
    }
    let value = |feature: usize| {
        let without = (0..subsets).filter(|set| set >> feature & 1 == 0);
        let gain = |set: usize| at(&found, set | 1 << feature) - at(&found, set);
        without.map(|set| weights[set.count_ones() as usize] * gain(set)).sum::<f64>()
    };
    Ok(PermutationShapley {
        values: (0..features).map(value).collect(),
        standard_errors: Some(vec![0.0; features]),
        base: at(&found, 0),
        prediction: at(&found, subsets - 1),
        evaluations: subsets,
        exact: true,
    })
}

fn at(values: &[f64], index: usize) -> f64 {
    values.get(index).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// A game with effects of single features and of pairs; a pair's effect is shared by both.
    fn game(features: usize) -> impl FnMut(&[bool]) -> Result<Vec<f64>, Infallible> {
        move |masks| {
            let value = |mask: &[bool]| {
                let has = |feature: usize| f64::from(u8::from(mask[feature]));
                let single: f64 = (0..features).map(|feature| (feature as f64 - 2.0) * has(feature)).sum();
                let pairs: f64 =
                    (1..features).map(|feature| 0.5 * feature as f64 * has(feature) * has(feature - 1)).sum();
                3.0 + single + pairs
            };
            Ok(masks.chunks(features).map(value).collect())
        }
    }

    fn expected(features: usize, feature: usize) -> f64 {
        let with_before = if feature > 0 { 0.25 * feature as f64 } else { 0.0 };
        let with_next = if feature + 1 < features { 0.25 * (feature + 1) as f64 } else { 0.0 };
        feature as f64 - 2.0 + with_before + with_next
    }

    #[test]
    fn few_features_are_exact() {
        let budget = ShapleyBudget { evaluations: 300, seed: 1 };
        for features in [1, 2, 5, 8] {
            let found = permutation_shapley(features, budget, &mut || true, &mut game(features)).unwrap();
            assert!(found.exact && found.evaluations == 1 << features);
            for (feature, value) in found.values.iter().enumerate() {
                assert!((value - expected(features, feature)).abs() < 1e-12, "{features} {feature}: {value}");
            }
        }
    }

    #[test]
    fn antithetic_permutations_are_exact_for_pairs_and_always_complete() {
        let features = 20;
        let budget = ShapleyBudget { evaluations: 200, seed: 1 };
        let found = permutation_shapley(features, budget, &mut || true, &mut game(features)).unwrap();
        assert!(!found.exact && found.evaluations <= 200);
        for (feature, value) in found.values.iter().enumerate() {
            assert!((value - expected(features, feature)).abs() < 1e-9, "{feature}: {value}");
        }
        assert!((found.base + found.values.iter().sum::<f64>() - found.prediction).abs() < 1e-9);
        let errors = found.standard_errors.unwrap();
        assert!(errors.iter().all(|error| *error < 1e-6), "{errors:?}");
    }

    #[test]
    fn standard_errors_cover_a_game_of_many_features_at_once() {
        // The majority belongs to all features by the same share, the first three share an effect of their own.
        let mut majority = |masks: &[bool]| {
            let value = |mask: &[bool]| {
                let threshold = mask.iter().filter(|has| **has).count() >= 9;
                f64::from(u8::from(threshold)) + f64::from(u8::from(mask[0] && mask[1] && mask[2]))
            };
            Ok::<_, Infallible>(masks.chunks(17).map(value).collect())
        };
        let budget = ShapleyBudget { evaluations: 32 * 400, seed: 9 };
        let found = permutation_shapley(17, budget, &mut || true, &mut majority).unwrap();
        let errors = found.standard_errors.clone().unwrap();
        for (feature, (value, error)) in found.values.iter().zip(&errors).enumerate() {
            let expected = 1.0 / 17.0 + if feature < 3 { 1.0 / 3.0 } else { 0.0 };
            assert!((value - expected).abs() < 4.0 * error, "{feature}: {value} ± {error}");
        }
        let again = permutation_shapley(17, budget, &mut || true, &mut majority).unwrap();
        assert_eq!(again, found);
        let stopped = permutation_shapley(17, budget, &mut || false, &mut majority).unwrap();
        assert_eq!((stopped.evaluations, stopped.standard_errors), (34, None));
    }
}
