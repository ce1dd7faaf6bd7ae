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
}
