//! Softmax and the logarithm of the target's probability in one pass.

use rayon::prelude::*;

use super::output::OutputBuffer;
use super::parts::rows_per_part;
use crate::pointwise::exp;
use crate::simd::{max_by, sum_by, vectorized};

/// Logarithms of the probabilities of the targets, and what the backward pass needs.
#[derive(Debug, Clone)]
pub struct TargetLogProbabilities {
    /// `[rows]`
    pub values: Vec<f32>,
    /// Largest logit of each row, and the logarithm of the sum of the exponentials of the distances from it. Added up,
    /// they would lose the digits of the logarithm where the logits are large.
    pub log_sums: Vec<[f32; 2]>,
}

/// Logarithm of the softmax of `logits` `[rows, classes]` at `targets` `[rows]`.
pub fn forward(logits: &[f32], targets: &[usize], classes: usize) -> TargetLogProbabilities {
    let (mut values, mut log_sums) = (vec![0.0; targets.len()], vec![[0.0; 2]; targets.len()]);
    let each = rows_per_part(targets.len(), classes);
    let parts = values.par_chunks_mut(each).zip(log_sums.par_chunks_mut(each));
    let inputs = logits.par_chunks(each * classes.max(1)).zip(targets.par_chunks(each));
    parts.zip(inputs).for_each(|((values, log_sums), (logits, targets))| {
        vectorized(
            #[inline(always)]
            || {
                let rows = logits.chunks_exact(classes.max(1)).zip(targets);
                for ((value, log_sum), (row, target)) in values.iter_mut().zip(&mut *log_sums).zip(rows) {
                    let most = max_by(
                        row,
                        f32::NEG_INFINITY,
                        #[inline(always)]
                        |x| x,
                    );
                    let sum = sum_by(
                        row,
                        #[inline(always)]
                        |x| exp(x - most),
                    );
                    let log = sum.ln();
                    *log_sum = [most, log];
                    *value = row[*target] - most - log;
                }
            },
        );
    });
    TargetLogProbabilities { values, log_sums }
}

/// Gradient of the logits from the `gradient` `[rows]` of the logarithms.
pub fn backward(logits: &[f32], targets: &[usize], log_sums: &[[f32; 2]], gradient: &[f32]) -> Vec<f32> {
    let classes = (logits.len() / targets.len().max(1)).max(1);
    let mut out = OutputBuffer::new(logits.len());
    let each = rows_per_part(targets.len(), classes);
    let rows = out.par_chunks_mut(each * classes).zip(logits.par_chunks(each * classes));
    let by = targets.par_chunks(each).zip(log_sums.par_chunks(each)).zip(gradient.par_chunks(each));
    rows.zip(by).for_each(|((out, logits), ((targets, log_sums), gradient))| {
        vectorized(
            #[inline(always)]
            || {
                let rows = out.chunks_exact_mut(classes).zip(logits.chunks_exact(classes));
                let by = targets.iter().zip(log_sums).zip(gradient);
                for ((out, row), ((target, [most, log]), g)) in rows.zip(by) {
                    for (out, x) in out.iter_mut().zip(row) {
                        *out = -g * exp(x - most - log);
                    }
                    out[*target] += g;
                }
            },
        );
    });
    out.into_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_probability(logits: &[f64], target: usize) -> f64 {
        logits[target] - logits.iter().map(|x| x.exp()).sum::<f64>().ln()
    }

    #[test]
    fn gradients_are_those_of_finite_differences_in_64_bits() {
        for (rows, classes) in [(1, 1), (3, 2), (7, 10), (40, 33), (3, 1_000)] {
            let logits: Vec<f32> = (0..rows * classes).map(|i| (i as f32 * 0.7).sin() * 5.0).collect();
            let targets: Vec<usize> = (0..rows).map(|row| row * 7 % classes).collect();
            let gradient: Vec<f32> = (0..rows).map(|row| (row as f32).cos()).collect();
            let kept = forward(&logits, &targets, classes);
            let found = backward(&logits, &targets, &kept.log_sums, &gradient);
            for row in 0..rows {
                let mut wide: Vec<f64> =
                    logits[row * classes..][..classes].iter().map(|x| f64::from(*x)).collect();
                let exact = log_probability(&wide, targets[row]);
                assert!((f64::from(kept.values[row]) - exact).abs() < 1e-5, "{classes}: {exact}");
                for class in 0..classes {
                    let value = wide[class];
                    wide[class] = value + 1e-5;
                    let more = log_probability(&wide, targets[row]);
                    wide[class] = value - 1e-5;
                    let slope =
                        (more - log_probability(&wide, targets[row])) / 2e-5 * f64::from(gradient[row]);
                    wide[class] = value;
                    let found = f64::from(found[row * classes + class]);
                    assert!((found - slope).abs() < 1e-5, "{classes} at {row}, {class}: {found}, {slope}");
                }
            }
        }
    }

    #[test]
    fn large_logits_lose_no_digits() {
        let near: Vec<f32> = (0..9 * 11).map(|i| (i * 7 % 13) as f32 * 0.25).collect();
        // Exact sums: only the distances between logits count.
        let far: Vec<f32> = near.iter().map(|x| x + 65_536.0).collect();
        let targets: Vec<usize> = (0..9).collect();
        let gradient = vec![1.0; 9];
        let run = |logits: &[f32]| {
            let kept = forward(logits, &targets, 11);
            let found = backward(logits, &targets, &kept.log_sums, &gradient);
            (kept.values, found)
        };
        assert_eq!(run(&near), run(&far));
    }
}
