//! Normalisation of rows.

use crate::simd::{for_each_row, sum_by};

/// Shifts each row of `values` `[rows, width]` to mean 0 and variance 1, then applies `weight` and `bias` `[width]`
/// (Ba et al. 2016). `eps` is added to the variance.
pub fn layer_norm(values: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    for_each_row(
        values,
        weight.len(),
        #[inline(always)]
        |row| {
            let count = row.len() as f32;
            let mean = sum_by(row, |x| x) / count;
            for x in &mut *row {
                *x -= mean;
            }
            let variance = sum_by(row, |x| x * x) / count;
            let scale = 1.0 / (variance + eps).sqrt();
            for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
                *x = *x * scale * w + b;
            }
        },
    );
}

/// Scales each row of `values` `[rows, width]` to a mean square of 1, then applies `weight` `[width]`
/// (Zhang and Sennrich 2019). `eps` is added to the mean square.
pub fn rms_norm(values: &mut [f32], weight: &[f32], eps: f32) {
    for_each_row(
        values,
        weight.len(),
        #[inline(always)]
        |row| {
            let square = sum_by(row, |x| x * x) / row.len() as f32;
            let scale = 1.0 / (square + eps).sqrt();
            for (x, w) in row.iter_mut().zip(weight) {
                *x *= scale * w;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference;

    #[test]
    fn rows_of_any_width_are_normalized() {
        for width in [1, 3, 16, 17, 100, 20_000] {
            let mut values: Vec<f32> = (0..3 * width).map(|i| (i as f32 * 0.7).sin() * 5.0).collect();
            let (ones, zeros) = (vec![1.0; width], vec![0.0; width]);
            layer_norm(&mut values, &ones, &zeros, 1e-12);
            for row in values.chunks(width).filter(|_| width > 1) {
                let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / width as f64;
                let square = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / width as f64;
                assert!(mean.abs() < 1e-5 && (square - 1.0).abs() < 1e-4, "{width}: {mean} {square}");
            }
        }
    }

    #[test]
    fn norms_are_those_of_plain_loops() {
        for width in [1, 5, 33, 4_096] {
            let value = |i: usize| (i as f32 * 0.7).sin() * 5.0 + 1.0;
            let values: Vec<f32> = (0..4 * width).map(value).collect();
            let weight: Vec<f32> = (0..width).map(|i| value(i + 7)).collect();
            let bias: Vec<f32> = (0..width).map(|i| value(i + 11)).collect();
            let near = |found: &[f32], expected: &[f32]| {
                for (a, b) in found.iter().zip(expected) {
                    assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{width}: {a}, plain loop {b}");
                }
            };
            let (mut found, mut expected) = (values.clone(), values.clone());
            layer_norm(&mut found, &weight, &bias, 1e-5);
            reference::layer_norm(&mut expected, &weight, &bias, 1e-5);
            near(&found, &expected);
            let (mut found, mut expected) = (values.clone(), values);
            rms_norm(&mut found, &weight, 1e-5);
            reference::rms_norm(&mut expected, &weight, 1e-5);
            near(&found, &expected);
        }
    }
}
