//! Functions of several operands, value by value.

use rayon::prelude::*;

use crate::pointwise::{Pointwise, activate};
use crate::simd::{CHUNK, for_each_row, vectorized};

/// Scales and shifts each channel of `values` `[rows, channels, inner]` in place; `scale` and `shift` are `[channels]`.
pub fn affine(values: &mut [f32], scale: &[f32], shift: &[f32], inner: usize) {
    for_each_row(
        values,
        scale.len() * inner,
        #[inline(always)]
        |example| {
            for (channel, (scale, shift)) in
                example.chunks_exact_mut(inner.max(1)).zip(scale.iter().zip(shift))
            {
                for x in channel {
                    *x = *x * scale + shift;
                }
            }
        },
    );
}

/// The mean of the rows of each example `[time, width]` but for those whose `padding` `[examples, time]` is 1.
pub fn mean(x: &[f32], time: usize, width: usize, padding: Option<&[f32]>) -> Vec<f32> {
    let (time, width) = (time.max(1), width.max(1));
    let mut means = vec![0.0; x.len() / time];
    vectorized(
        #[inline(always)]
        || {
            for (i, (mean, rows)) in
                means.chunks_exact_mut(width).zip(x.chunks_exact(time * width)).enumerate()
            {
                let mut count = 0;
                for (place, row) in rows.chunks_exact(width).enumerate() {
                    if padding.is_some_and(|padding| padding[i * time + place] > 0.5) {
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

/// Adds `y` to `values`, which are of the same length.
pub fn add(values: &mut [f32], y: &[f32]) {
    let add = |(values, y): (&mut [f32], &[f32])| {
        vectorized(
            #[inline(always)]
            || {
                for (value, y) in values.iter_mut().zip(y) {
                    *value += y;
                }
            },
        );
    };
    if values.len() <= CHUNK {
        add((values, y));
    } else {
        values.par_chunks_mut(CHUNK).zip(y.par_chunks(CHUNK)).for_each(add);
    }
}

/// Gated linear unit (Dauphin et al. 2017, section 2): `a * function(b)` for each row `[a, b]` of `x`
/// `[rows, 2 * width]`, as `[rows, width]`.
pub fn glu(function: Pointwise, x: &[f32], width: usize) -> Vec<f32> {
    let width = width.max(1);
    let mut out = vec![0.0; x.len() / 2];
    let rows = (CHUNK / width).max(1);
    let gate = |(out, x): (&mut [f32], &[f32])| {
        let each = x.chunks_exact(2 * width);
        out.chunks_exact_mut(width).zip(each.clone()).for_each(|(out, x)| out.copy_from_slice(&x[width..]));
        activate(function, out);
        vectorized(
            #[inline(always)]
            || {
                for (out, x) in out.chunks_exact_mut(width).zip(each.clone()) {
                    for (out, x) in out.iter_mut().zip(x) {
                        *out *= x;
                    }
                }
            },
        );
    };
    if x.len() <= 2 * rows * width {
        gate((&mut out, x));
    } else {
        out.par_chunks_mut(rows * width).zip(x.par_chunks(2 * rows * width)).for_each(gate);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gates_and_sums_are_those_of_each_value() {
        for (rows, width) in [(1, 1), (3, 17), (40, 1_000)] {
            let x: Vec<f32> = (0..rows * 2 * width).map(|i| (i as f32 * 0.7).sin() * 5.0).collect();
            let gated = glu(Pointwise::Silu, &x, width);
            for (at, found) in gated.iter().enumerate() {
                let (row, column) = (at / width, at % width);
                let [a, b] = [column, width + column].map(|i| x[row * 2 * width + i]);
                assert!((found - a * b / (1.0 + (-b).exp())).abs() < 1e-4, "{at}: {found} of {a} and {b}");
            }
            let mut twice = x.clone();
            add(&mut twice, &x);
            assert_eq!(twice, x.iter().map(|x| x + x).collect::<Vec<_>>());
            let mut moved = x.clone();
            affine(&mut moved, &[1.0, 2.0], &[0.0, 3.0], width);
            let second = |at: usize| !(at / width).is_multiple_of(2);
            let each = x.iter().enumerate();
            let expected = each.map(|(at, x)| if second(at) { x * 2.0 + 3.0 } else { *x });
            assert_eq!(moved, expected.collect::<Vec<_>>());
        }
    }

    #[test]
    fn means_leave_padding_out() {
        let x = [1.0, 2.0, 3.0, 4.0, 50.0, 60.0, 7.0, 8.0, 9.0, 10.0, 11.0, 12.0];
        assert_eq!(mean(&x, 3, 2, Some(&[0.0, 0.0, 1.0, 1.0, 1.0, 1.0])), [2.0, 3.0, 0.0, 0.0]);
        assert_eq!(mean(&x, 6, 2, None), [81.0 / 6.0, 96.0 / 6.0]);
    }
}
