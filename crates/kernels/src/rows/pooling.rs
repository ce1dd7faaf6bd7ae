//! Reductions over the steps of sequences.

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

/// Largest values over the steps of each sequence of `x` `[rows, time, width]`, as `[rows, width]`.
///
/// Steps at which `padding` `[rows, time]` is 1 are left out; a row of nothing but padding gives zeros.
pub fn masked_max(x: &[f32], time: usize, width: usize, padding: Option<&[f32]>) -> Vec<f32> {
    let mut most = vec![f32::NEG_INFINITY; x.len() / time.max(1)];
    for_each_step(x, [time, width], padding, &mut most, |most, _, row| {
        for (most, x) in most.iter_mut().zip(row) {
            // NaN stays NaN.
            *most = if *x <= *most { *most } else { *x };
        }
    });
    most.iter_mut().filter(|most| **most == f32::NEG_INFINITY).for_each(|most| *most = 0.0);
    most
}

/// Sums over the steps of each sequence of `x` `[rows, time, width]`, divided by the square root of their number, as
/// `[rows, width]`. Padding is left out as in [`masked_mean`].
pub fn masked_sqrt_mean(x: &[f32], time: usize, width: usize, padding: Option<&[f32]>) -> Vec<f32> {
    let mut sums = vec![0.0; x.len() / time.max(1)];
    let counts = for_each_step(x, [time, width], padding, &mut sums, |sums, _, row| {
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
    });
    divide(&mut sums, width, counts.iter().map(|count| (*count as f32).sqrt()));
    sums
}

/// Means over the steps of each sequence of `x` `[rows, time, width]`, step `i` with the weight `i + 1`, as
/// `[rows, width]` (Muennighoff 2022). Padding is left out as in [`masked_mean`].
pub fn masked_weighted_mean(x: &[f32], time: usize, width: usize, padding: Option<&[f32]>) -> Vec<f32> {
    let mut sums = vec![0.0; x.len() / time.max(1)];
    let mut weights = vec![0.0_f32; x.len() / (time * width).max(1)];
    for_each_step(x, [time, width], padding, &mut sums, |sums, (index, step), row| {
        let weight = (step + 1) as f32;
        weights[index] += weight;
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += weight * x);
    });
    divide(&mut sums, width, weights.into_iter());
    sums
}

/// Calls `f` for each step that is not padding with the row's part of `out`, row and step, and the values; returns the
/// number of such steps of each row.
fn for_each_step(
    x: &[f32],
    [time, width]: [usize; 2],
    padding: Option<&[f32]>,
    out: &mut [f32],
    mut f: impl FnMut(&mut [f32], (usize, usize), &[f32]),
) -> Vec<usize> {
    let (time, width) = (time.max(1), width.max(1));
    let mut counts = Vec::with_capacity(out.len() / width);
    for (index, (out, rows)) in out.chunks_exact_mut(width).zip(x.chunks_exact(time * width)).enumerate() {
        let mut count = 0;
        for (step, row) in rows.chunks_exact(width).enumerate() {
            if padding.is_none_or(|padding| padding[index * time + step] <= 0.5) {
                count += 1;
                f(&mut *out, (index, step), row);
            }
        }
        counts.push(count);
    }
    counts
}

/// Divides each row; rows without a divisor are zeros already.
fn divide(rows: &mut [f32], width: usize, divisors: impl Iterator<Item = f32>) {
    for (row, divisor) in rows.chunks_exact_mut(width.max(1)).zip(divisors) {
        if divisor > 0.0 {
            for x in row {
                *x /= divisor;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_reductions_leave_padding_out() {
        let x = [1.0, -2.0, 3.0, -4.0, 50.0, 60.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
        let padding = Some([0.0, 0.0, 1.0, 1.0, 1.0, 1.0].as_slice());
        assert_eq!(masked_max(&x, 3, 2, padding), [3.0, -2.0, 0.0, 0.0]);
        assert_eq!(masked_weighted_mean(&x, 3, 2, padding), [7.0 / 3.0, -10.0 / 3.0, 0.0, 0.0]);
        let root = 2.0_f32.sqrt();
        assert_eq!(masked_sqrt_mean(&x, 3, 2, padding), [4.0 / root, -6.0 / root, 0.0, 0.0]);
    }

    #[test]
    fn means_leave_padding_out() {
        let x = [1.0, 2.0, 3.0, 4.0, 50.0, 60.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
        assert_eq!(masked_mean(&x, 3, 2, Some(&[0.0, 0.0, 1.0, 1.0, 1.0, 1.0])), [2.0, 3.0, 0.0, 0.0]);
        assert_eq!(masked_mean(&x, 6, 2, None), [81.0 / 6.0, 96.0 / 6.0]);
    }
}
