//! Norm of gradients.

use rayon::prelude::*;

use crate::simd::{CHUNK, sum_by, vectorized};

/// Sum of the squares of all values. The order of the additions depends on the number of values alone.
pub fn square_sum(values: &[f32]) -> f64 {
    let sum = |values: &[f32]| {
        f64::from(vectorized(
            #[inline(always)]
            || {
                sum_by(
                    values,
                    #[inline(always)]
                    |x| x * x,
                )
            },
        ))
    };
    if values.len() <= CHUNK {
        return sum(values);
    }
    let parts: Vec<f64> = values.par_chunks(CHUNK).map(sum).collect();
    parts.iter().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_plain_loops_in_64_bits_for_any_number_of_threads() {
        for count in [0, 1, 17, 100_003] {
            let values: Vec<f32> = (0..count).map(|i| (i as f32 * 0.7).sin()).collect();
            let exact: f64 = values.iter().map(|x| f64::from(*x).powi(2)).sum();
            let run = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| square_sum(&values))
            };
            assert!((run(1) - exact).abs() <= 1e-6 * exact, "{count}: {}, exactly {exact}", run(1));
            assert!(run(1).to_bits() == run(3).to_bits());
        }
        assert!(square_sum(&[1.0, f32::NAN]).is_nan());
        assert!(!square_sum(&[f32::INFINITY]).is_finite());
    }
}
