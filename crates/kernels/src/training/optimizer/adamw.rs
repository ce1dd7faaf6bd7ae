//! `AdamW` (Loshchilov and Hutter 2019) in one pass over weights and moments.

use rayon::prelude::*;

use crate::simd::{CHUNK, vectorized};

/// Coefficients of a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdamwStep {
    /// Decay rates of the moments.
    pub betas: [f32; 2],
    /// Divisors that correct the bias of the moments, `1 - beta^step`.
    pub corrections: [f32; 2],
    /// Small number that is added to the divisor.
    pub eps: f32,
    /// Learning rate.
    pub rate: f32,
    /// Factor of the weights, `1 - rate * decay`.
    pub shrink: f32,
}

/// Updates weights and their first and second moments by a gradient; all slices are of the same length.
pub fn update(weights: &mut [f32], gradient: &[f32], moments: [&mut [f32]; 2], by: &AdamwStep) {
    let [first, second] = moments;
    if weights.len() <= CHUNK {
        return update_chunk(weights, gradient, [first, second], by);
    }
    let parts = weights.par_chunks_mut(CHUNK).zip(gradient.par_chunks(CHUNK));
    let moments = first.par_chunks_mut(CHUNK).zip(second.par_chunks_mut(CHUNK));
    parts.zip(moments).for_each(|((weights, gradient), (first, second))| {
        update_chunk(weights, gradient, [first, second], by);
    });
}

fn update_chunk(weights: &mut [f32], gradient: &[f32], [first, second]: [&mut [f32]; 2], by: &AdamwStep) {
    let AdamwStep { betas: [a, b], corrections: [c, d], eps, rate, shrink } = *by;
    let (fresh_a, fresh_b) = (1.0 - a, 1.0 - b);
    vectorized(
        #[inline(always)]
        || {
            let moments = first.iter_mut().zip(&mut *second);
            for ((w, g), (m, v)) in weights.iter_mut().zip(gradient).zip(moments) {
                *m = *m * a + g * fresh_a;
                *v = *v * b + g * g * fresh_b;
                *w = *w * shrink - (*m / c) / ((*v / d).sqrt() + eps) * rate;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn updates_are_those_of_plain_loops_in_64_bits() {
        for count in [1, 17, 40_000] {
            let value = |i: usize, phase: f64| (i as f64 * 0.7 + phase).sin();
            #[allow(clippy::cast_possible_truncation, reason = "inputs in single precision")]
            let single = |phase: f64| -> Vec<f32> { (0..count).map(|i| value(i, phase) as f32).collect() };
            let mut weights = single(0.0);
            let (mut first, mut second) = (vec![0.0; count], vec![0.0; count]);
            let (mut exact, mut m, mut v): (Vec<f64>, _, _) =
                (weights.iter().map(|w| f64::from(*w)).collect(), vec![0.0; count], vec![0.0; count]);
            for step in 1..5 {
                let gradient = single(f64::from(step));
                let by = AdamwStep {
                    betas: [0.9, 0.99],
                    corrections: [1.0 - 0.9_f32.powi(step), 1.0 - 0.99_f32.powi(step)],
                    eps: 1e-8,
                    rate: 0.01,
                    shrink: 1.0 - 0.01 * 0.1,
                };
                update(&mut weights, &gradient, [&mut first, &mut second], &by);
                for (i, g) in gradient.iter().enumerate() {
                    let g = f64::from(*g);
                    m[i] = 0.9 * m[i] + 0.1 * g;
                    v[i] = 0.99 * v[i] + 0.01 * g * g;
                    let (a, b) = (m[i] / (1.0 - 0.9_f64.powi(step)), v[i] / (1.0 - 0.99_f64.powi(step)));
                    exact[i] = exact[i] * (1.0 - 0.001) - 0.01 * a / (b.sqrt() + 1e-8);
                }
            }
            for (found, exact) in weights.iter().zip(&exact) {
                assert!((f64::from(*found) - exact).abs() < 2e-6, "{found}, {exact}");
            }
        }
    }
}
