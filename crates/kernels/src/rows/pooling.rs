//! Means over the steps of sequences.

use crate::simd::vectorized;

/// Mean over the steps of each sequence of `x` `[rows, time, width]`, as `[rows, width]`.
///
/// Steps at which `padding` `[rows, time]` is 1 are left out; a row of nothing but padding gives zeros.
pub fn masked_mean(x: &[f32], time: usize, width: usize, padding: Option<&[f32]>) -> Vec<f32> {
    let (time, width) = (time.max(1), width.max(1));
    let mut means = vec![0.0; x.len() / time];
    vectorized(
        #[inline(always)]
        || {
            for (i, (mean, rows)) in
                means.chunks_exact_mut(width).zip(x.chunks_exact(time * width)).enumerate()
            {
                let mut count = 0;
                for (step, row) in rows.chunks_exact(width).enumerate() {
                    if padding.is_some_and(|padding| padding[i * time + step] > 0.5) {
                        continue;
                    }
                    count += 1;
                    for (mean, x) in mean.iter_mut().zip(row) {
                        *mean += x;
                    }
                }
                let scale = 1.0 / count.max(1) as f32;
                for mean in mean {
                    *mean *= scale;
                }
            }
        },
    );
    means
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_leave_padding_out() {
        let x = [1.0, 2.0, 3.0, 4.0, 50.0, 60.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
        assert_eq!(masked_mean(&x, 3, 2, Some(&[0.0, 0.0, 1.0, 1.0, 1.0, 1.0])), [2.0, 3.0, 0.0, 0.0]);
        assert_eq!(masked_mean(&x, 6, 2, None), [81.0 / 6.0, 96.0 / 6.0]);
    }
}
