//! Weights that are not negative and sum to 1, with the smallest loss on given rows: stacked generalisation (Breiman 1996)
//! with the convex weights of the super learner (van der Laan et al. 2007).

/// Most iterations.
const ITERATIONS: usize = 10_000;
/// Change of every weight below which the search ends.
const TOLERANCE: f64 = 1e-10;
/// Weights below this are 0.
const NEGLIGIBLE: f64 = 1e-4;

/// Weights of the mixture with the smallest log loss. `probabilities` are those of each model for the class of each row.
///
/// The iteration of expectation maximisation for the weights of a mixture, which lowers the loss in each step.
#[allow(clippy::cast_precision_loss)]
pub fn stack_by_log_loss(probabilities: &[Vec<f64>]) -> Vec<f64> {
    let (members, rows) = (probabilities.len(), probabilities.first().map_or(0, Vec::len));
    let mut weights = vec![1.0 / members.max(1) as f64; members];
    if rows == 0 {
        return weights;
    }
    for _ in 0..ITERATIONS {
        let mut next = vec![0.0; members];
        for row in 0..rows {
            let mixed: f64 = weights.iter().zip(probabilities).map(|(weight, own)| weight * own[row]).sum();
            let mixed = mixed.max(f64::MIN_POSITIVE);
            for ((next, weight), own) in next.iter_mut().zip(&weights).zip(probabilities) {
                *next += weight * own[row] / mixed / rows as f64;
            }
        }
        let change = largest_change(&weights, &next);
        weights = next;
        if change < TOLERANCE {
            break;
        }
    }
    normalised(weights)
}

/// Weights of the average with the smallest squared error. `members` are the predictions of each model.
///
/// Accelerated projected gradient (Beck and Teboulle 2009) on the simplex (projection of Duchi et al. 2008).
#[allow(clippy::cast_precision_loss)]
pub fn stack_by_squared_error(members: &[Vec<f64>], targets: &[f64]) -> Vec<f64> {
    let count = members.len();
    let mut weights = vec![1.0 / count.max(1) as f64; count];
    // With a sum of 1, the error of the average is the average of the errors: their products are all that is needed.
    let error = |member: usize, row: usize| members[member][row] - targets[row];
    let product = |a: usize, b: usize| {
        (0..targets.len()).map(|row| error(a, row) * error(b, row)).sum::<f64>() / targets.len().max(1) as f64
    };
    let gram: Vec<Vec<f64>> = (0..count).map(|a| (0..count).map(|b| product(a, b)).collect()).collect();
    // The trace bounds the largest eigenvalue.
    let steepest: f64 = (0..count).map(|member| gram[member][member]).sum();
    if !(steepest.is_finite() && steepest > 0.0) {
        return weights;
    }
    let (mut ahead, mut momentum) = (weights.clone(), 1.0_f64);
    for _ in 0..ITERATIONS {
        let gradient = gram.iter().map(|row| row.iter().zip(&ahead).map(|(a, b)| a * b).sum::<f64>());
        let moved: Vec<f64> = ahead.iter().zip(gradient).map(|(own, slope)| own - slope / steepest).collect();
        let next = onto_simplex(&moved);
        let grown = f64::midpoint(1.0, (1.0 + 4.0 * momentum * momentum).sqrt());
        let pull = (momentum - 1.0) / grown;
        ahead = next.iter().zip(&weights).map(|(next, own)| next + pull * (next - own)).collect();
        let change = largest_change(&weights, &next);
        (weights, momentum) = (next, grown);
        if change < TOLERANCE {
            break;
        }
    }
    normalised(weights)
}

/// Nearest point whose entries are not negative and sum to 1.
#[allow(clippy::cast_precision_loss)]
fn onto_simplex(point: &[f64]) -> Vec<f64> {
    let mut sorted = point.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let (mut sum, mut shift) = (0.0, 0.0);
    for (index, value) in sorted.iter().enumerate() {
        sum += value;
        let found = (sum - 1.0) / (index + 1) as f64;
        if value - found > 0.0 {
            shift = found;
        }
    }
    point.iter().map(|value| (value - shift).max(0.0)).collect()
}

fn largest_change(before: &[f64], after: &[f64]) -> f64 {
    before.iter().zip(after).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Weights without negligible ones, with a sum of 1.
fn normalised(weights: Vec<f64>) -> Vec<f64> {
    let kept: Vec<f64> =
        weights.into_iter().map(|weight| if weight < NEGLIGIBLE { 0.0 } else { weight }).collect();
    let sum: f64 = kept.iter().sum();
    kept.into_iter().map(|weight| weight / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: &[f64], expected: &[f64]) {
        for (a, b) in found.iter().zip(expected) {
            assert!((a - b).abs() < 1e-5, "{found:?} {expected:?}");
        }
        assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn squared_errors_have_the_weights_of_the_closed_form() {
        // Errors that are independent with variances 1 and 4: weights 4/5 and 1/5.
        let targets = [0.0; 4];
        close(
            &stack_by_squared_error(&[vec![1.0, -1.0, 1.0, -1.0], vec![2.0, 2.0, -2.0, -2.0]], &targets),
            &[0.8, 0.2],
        );
        // The second is the first with more error: it gets none.
        close(
            &stack_by_squared_error(&[vec![1.0, -1.0, 1.0, -1.0], vec![3.0, -3.0, 3.0, -3.0]], &targets),
            &[1.0, 0.0],
        );
        close(&stack_by_squared_error(&[vec![1.0; 4], vec![1.0; 4]], &[1.0; 4]), &[0.5, 0.5]);
    }

    /// At the best weights of a mixture, the mean ratio of a member's probability to the mixture's is 1 if it has a weight,
    /// and at most 1 if it has none.
    #[test]
    fn log_loss_weights_meet_the_conditions_of_the_optimum() {
        let members =
            [vec![0.9, 0.2, 0.8, 0.7, 0.4], vec![0.3, 0.8, 0.6, 0.9, 0.5], vec![0.2, 0.1, 0.3, 0.2, 0.3]];
        let weights = stack_by_log_loss(&members);
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        for (member, own) in members.iter().enumerate() {
            let ratio = |row: usize| {
                own[row]
                    / weights.iter().zip(&members).map(|(weight, other)| weight * other[row]).sum::<f64>()
            };
            let mean = (0..5).map(ratio).sum::<f64>() / 5.0;
            assert!(mean <= 1.0 + 1e-4, "{weights:?}");
            assert!(weights[member] == 0.0 || mean >= 1.0 - 1e-4, "{weights:?}");
        }
        assert!(weights[2] == 0.0, "{weights:?}");
    }
}
