//! Weights of few rows, drawn towards the mean of the good models.

/// Rows from which chosen weights are taken as they are.
const ENOUGH_ROWS: usize = 2000;

/// Largest loss of a model of the mean above the smallest one, in medians of these differences.
const NEAR: f64 = 2.0;

/// Draws weights that were chosen on few rows towards equal ones of the models near the best one: the chosen weights have a
/// share of `rows / 2000`. On few rows a choice follows noise, which equal weights do not (Clemen 1989; Smith and Wallis
/// 2009). A model is near if its loss exceeds the smallest one by no more than twice as much as the median model's does, so
/// one that has failed stays out. `losses` are those of the models alone, `None` where undefined. Weights of 2000 rows or more
/// are returned as they are.
pub fn shrink_weights(weights: &[f64], losses: &[Option<f64>], rows: usize) -> Vec<f64> {
    let mut models: Vec<(usize, f64)> = losses
        .iter()
        .take(weights.len())
        .enumerate()
        .filter_map(|(model, loss)| Some((model, loss.filter(|loss| loss.is_finite())?)))
        .collect();
    models.sort_by(|(_, one), (_, other)| one.total_cmp(other));
    let (Some((_, best)), Some((_, middle))) =
        (models.first().copied(), models.get(models.len() / 2).copied())
    else {
        return weights.to_vec();
    };
    if rows >= ENOUGH_ROWS {
        return weights.to_vec();
    }
    models.retain(|(_, loss)| loss - best <= NEAR * (middle - best));
    #[allow(clippy::cast_precision_loss)]
    let (share, each) = (rows as f64 / ENOUGH_ROWS as f64, 1.0 / models.len() as f64);
    let mut shrunk: Vec<f64> = weights.iter().map(|weight| share * weight).collect();
    for (model, _) in &models {
        shrunk[*model] += (1.0 - share) * each;
    }
    shrunk
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::ensemble::greedy_selection;

    fn close(found: &[f64], expected: &[f64]) -> bool {
        found.len() == expected.len() && found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12)
    }

    #[test]
    fn few_rows_have_the_mean_of_the_near_models_and_many_their_own_weights() {
        let losses = [Some(0.3), Some(0.1), None, Some(0.2), Some(0.9)];
        let chosen = [0.0, 0.5, 0.0, 0.0, 0.5];
        let third = 1.0 / 3.0;
        assert!(close(&shrink_weights(&chosen, &losses, 0), &[third, third, 0.0, third, 0.0]));
        let half = shrink_weights(&chosen, &losses, 1000);
        assert!(close(&half, &[third / 2.0, 0.25 + third / 2.0, 0.0, third / 2.0, 0.25]));
        assert!(close(&shrink_weights(&chosen, &losses, 2000), &chosen));
        assert!(close(&shrink_weights(&[1.0], &[Some(0.1)], 10), &[1.0]));
        assert!(close(&shrink_weights(&[1.0, 0.0], &[None, None], 10), &[1.0, 0.0]));
        assert!(close(&shrink_weights(&[1.0, 0.0], &[Some(0.2), Some(0.2)], 0), &[0.5, 0.5]));
    }

    /// Models of the same quality whose errors are independent have their smallest error in equal weights; a greedy choice on
    /// 40 rows misses them by more than its mean with the near models does.
    #[test]
    #[allow(clippy::cast_precision_loss)]
    fn shrunk_weights_of_few_rows_predict_other_rows_better() {
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        let mut draw = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            2.0 * ((state >> 11) as f64 / (1_u64 << 53) as f64) - 1.0
        };
        // The targets are 0, so predictions are errors.
        let error = |values: &[f64]| values.iter().map(|x| x * x).sum::<f64>() / values.len() as f64;
        let expected = |weights: &[f64]| weights.iter().map(|weight| weight * weight).sum::<f64>() / 3.0;
        let (mut greedy, mut shrunk) = (0.0, 0.0);
        for _ in 0..50 {
            let members: Vec<Vec<f64>> = (0..8).map(|_| (0..40).map(|_| draw()).collect()).collect();
            let found = greedy_selection(&members, 50, &mut |values| Some(error(values))).unwrap();
            let losses: Vec<Option<f64>> = members.iter().map(|own| Some(error(own))).collect();
            let weights = shrink_weights(&found.weights, &losses, 1000);
            assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-9);
            greedy += expected(&found.weights);
            shrunk += expected(&weights);
        }
        assert!(shrunk < greedy, "{shrunk} and {greedy}");
    }
}
