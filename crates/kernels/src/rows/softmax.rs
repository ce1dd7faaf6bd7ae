//! Softmax.

use crate::pointwise::exp;
use crate::simd::{for_each_row, max_by, sum_by};

/// Replaces each row of `values` `[rows, width]` by its softmax.
pub fn softmax(values: &mut [f32], width: usize) {
    for_each_row(
        values,
        width,
        #[inline(always)]
        |row| softmax_row(row),
    );
}

/// Softmax of one row, for callers inside [`crate::simd::vectorized`].
#[inline(always)]
pub(crate) fn softmax_row(row: &mut [f32]) {
    let most = max_by(row, f32::NEG_INFINITY, |x| x);
    for x in &mut *row {
        *x = exp(*x - most);
    }
    let scale = 1.0 / sum_by(row, |x| x);
    for x in row {
        *x *= scale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn rows_of_any_width_have_the_softmax_of_plain_loops() {
        for width in [1, 3, 16, 17, 100, 20_000] {
            let values: Vec<f32> = (0..3 * width).map(|i| (i as f32 * 0.7).sin() * 5.0).collect();
            let (mut found, mut expected) = (values.clone(), values);
            softmax(&mut found, width);
            reference::softmax(&mut expected, width);
            for (row, exact) in found.chunks(width).zip(expected.chunks(width)) {
                assert!((row.iter().map(|x| f64::from(*x)).sum::<f64>() - 1.0).abs() < 1e-5);
                for (a, b) in row.iter().zip(exact) {
                    assert!((a - b).abs() < 1e-5 * b.max(1e-3), "{width}: {a}, plain loop {b}");
                }
            }
        }
    }
}
