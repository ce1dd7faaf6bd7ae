//! Plain loops in double precision: the definition of each kernel, without vectors, tiles or threads.
//!
//! Tests compare the kernels with them, and benches show what the kernels gain.

use crate::pointwise::Pointwise;

/// Product of `x` `[rows, input]` and the transposed `weight` `[output, input]`, as `[rows, output]`.
pub fn matmul(x: &[f32], weight: &[f32], input: usize) -> Vec<f32> {
    let input = input.max(1);
    let mut out = Vec::with_capacity(x.len() / input * (weight.len() / input));
    for row in x.chunks_exact(input) {
        for column in weight.chunks_exact(input) {
            out.push(single(row.iter().zip(column).map(|(x, w)| f64::from(*x) * f64::from(*w)).sum()));
        }
    }
    out
}

/// Replaces each row of `values` `[rows, width]` by its softmax.
pub fn softmax(values: &mut [f32], width: usize) {
    for row in values.chunks_exact_mut(width.max(1)) {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let powers: Vec<f64> = row.iter().map(|x| f64::from(*x - most).exp()).collect();
        let sum: f64 = powers.iter().sum();
        row.iter_mut().zip(powers).for_each(|(x, power)| *x = single(power / sum));
    }
}

/// Layer norm of the rows of `values` `[rows, width]`.
pub fn layer_norm(values: &mut [f32], weight: &[f32], bias: &[f32], eps: f32) {
    for row in values.chunks_exact_mut(weight.len().max(1)) {
        let count = row.len() as f64;
        let mean = row.iter().map(|x| f64::from(*x)).sum::<f64>() / count;
        let variance = row.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / count;
        let deviation = (variance + f64::from(eps)).sqrt();
        for ((x, w), b) in row.iter_mut().zip(weight).zip(bias) {
            *x = single((f64::from(*x) - mean) / deviation * f64::from(*w) + f64::from(*b));
        }
    }
}

/// RMS norm of the rows of `values` `[rows, width]`.
pub fn rms_norm(values: &mut [f32], weight: &[f32], eps: f32) {
    for row in values.chunks_exact_mut(weight.len().max(1)) {
        let square = row.iter().map(|x| f64::from(*x).powi(2)).sum::<f64>() / row.len() as f64;
        let root = (square + f64::from(eps)).sqrt();
        for (x, w) in row.iter_mut().zip(weight) {
            *x = single(f64::from(*x) / root * f64::from(*w));
        }
    }
}

/// Activation of each value.
pub fn activate(function: Pointwise, values: &mut [f32]) {
    let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
    for value in values {
        let x = f64::from(*value);
        let y = match function {
            Pointwise::Relu => x.max(0.0),
            Pointwise::Gelu => x * 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Pointwise::GeluTanh => {
                let inner = (x + 0.044_715 * x.powi(3)) * (2.0 / std::f64::consts::PI).sqrt();
                x * 0.5 * (1.0 + inner.tanh())
            }
            Pointwise::Silu => x * sigmoid(x),
            Pointwise::Tanh => x.tanh(),
            Pointwise::Sigmoid => sigmoid(x),
            Pointwise::Selu if x > 0.0 => 1.050_700_987_355_480_5 * x,
            Pointwise::Selu => 1.758_099_340_847_376_6 * x.exp_m1(),
            Pointwise::Mish => x * x.exp().ln_1p().tanh(),
        };
        *value = single(y);
    }
}

/// Convolution of `x` `[rows, channels, height, width]` with `weight` `[output, channels, kernel, kernel]` and zero
/// padding, as `[rows, output, height, width]`; `shape` is `[channels, height, width]`.
pub fn conv2d(
    x: &[f32],
    shape: [usize; 3],
    weight: &[f32],
    kernel: usize,
    [stride, padding]: [usize; 2],
) -> Vec<f32> {
    let [channels, height, width] = shape;
    let along = |length: usize| (length + 2 * padding).saturating_sub(kernel) / stride + 1;
    let (high, wide) = (along(height), along(width));
    let mut out = Vec::new();
    for image in x.chunks_exact(channels * height * width) {
        for filter in weight.chunks_exact(channels * kernel * kernel) {
            for (row, column) in (0..high).flat_map(|row| (0..wide).map(move |column| (row, column))) {
                let mut sum = 0.0;
                for (at, w) in filter.iter().enumerate() {
                    let (channel, ky, kx) = (at / (kernel * kernel), at / kernel % kernel, at % kernel);
                    let (y, x) = (row * stride + ky, column * stride + kx);
                    if (padding..padding + height).contains(&y) && (padding..padding + width).contains(&x) {
                        let value = image[(channel * height + y - padding) * width + x - padding];
                        sum += f64::from(value) * f64::from(*w);
                    }
                }
                out.push(single(sum));
            }
        }
    }
    out
}

/// Attention of one head: `q`, `k` and `v` are `[time, width]`, and so is the result.
pub fn attention(q: &[f32], k: &[f32], v: &[f32], width: usize, causal: bool) -> Vec<f32> {
    let time = k.len() / width.max(1);
    let mut out = Vec::with_capacity(q.len());
    for (step, q) in q.chunks_exact(width).enumerate() {
        let seen = if causal { step + 1 } else { time };
        let dot = |k: &[f32]| q.iter().zip(k).map(|(q, k)| f64::from(*q) * f64::from(*k)).sum::<f64>();
        let scores: Vec<f64> =
            k.chunks_exact(width).take(seen).map(|k| dot(k) / (width as f64).sqrt()).collect();
        let most = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - most).exp()).collect();
        let sum: f64 = weights.iter().sum();
        for column in 0..width {
            let values = weights.iter().zip(v.chunks_exact(width));
            out.push(single(values.map(|(weight, v)| weight * f64::from(v[column])).sum::<f64>() / sum));
        }
    }
    out
}

/// Error function by its Taylor series.
pub(crate) fn erf(x: f64) -> f64 {
    if x.abs() > 4.5 {
        return x.signum();
    }
    let (mut sum, mut term) = (0.0, x);
    for n in 0..200 {
        sum += term / f64::from(2 * n + 1);
        term *= -x * x / f64::from(n + 1);
    }
    sum * 2.0 / std::f64::consts::PI.sqrt()
}

#[allow(
    clippy::cast_possible_truncation,
    reason = "results are rounded to single precision once, at the end"
)]
fn single(x: f64) -> f32 {
    x as f32
}
