//! Batch norm by the statistics of the batch (Ioffe and Szegedy 2015).

use rayon::prelude::*;

use super::norm::NormGradients;
use super::output::OutputBuffer;
use super::parts::{add, rows_per_part};
use crate::simd::{sum_by, vectorized};

/// Mean and biased variance of each channel of a batch.
#[derive(Debug, Clone)]
pub struct BatchStatistics {
    /// `[channels]`
    pub mean: Vec<f32>,
    /// `[channels]`
    pub variance: Vec<f32>,
}

/// Statistics of `x` `[rows, channels, inner]`.
pub fn statistics(x: &[f32], channels: usize, inner: usize) -> BatchStatistics {
    let count = (x.len() / channels.max(1)).max(1) as f32;
    let zeros = vec![0.0; channels];
    let [mut mean, _] = channel_sums(
        [x, x],
        &zeros,
        inner,
        #[inline(always)]
        |[x, _], _| [x, 0.0],
    );
    for sum in &mut mean {
        *sum /= count;
    }
    let [mut variance, _] = channel_sums(
        [x, x],
        &mean,
        inner,
        #[inline(always)]
        |[x, _], mean| [(x - mean) * (x - mean), 0.0],
    );
    for sum in &mut variance {
        *sum /= count;
    }
    BatchStatistics { mean, variance }
}

/// Shifts and scales each channel of `x` `[rows, channels, inner]` to mean 0 and variance 1, then applies `weight` and
/// `bias` `[channels]`.
pub fn forward(
    x: &[f32],
    by: &BatchStatistics,
    weight: &[f32],
    bias: &[f32],
    inner: usize,
    eps: f32,
) -> Vec<f32> {
    let scale: Vec<f32> = by.variance.iter().zip(weight).map(|(v, w)| w / (v + eps).sqrt()).collect();
    let mut y = OutputBuffer::new(x.len());
    let row = (scale.len() * inner).max(1);
    let each = rows_per_part(x.len() / row, row);
    y.par_chunks_mut(each * row).zip(x.par_chunks(each * row)).for_each(|(y, x)| {
        map_channels(
            y,
            [x, x],
            [&scale, &scale, bias, &by.mean],
            inner,
            #[inline(always)]
            |[x, _], [scale, _, bias, mean]| (x - mean) * scale + bias,
        );
    });
    y.into_vec()
}

/// Gradients from the `gradient` of the output.
pub fn backward(
    x: &[f32],
    by: &BatchStatistics,
    weight: &[f32],
    gradient: &[f32],
    inner: usize,
    eps: f32,
) -> NormGradients {
    let channels = weight.len();
    let count = (x.len() / channels.max(1)).max(1) as f32;
    let scale: Vec<f32> = by.variance.iter().map(|v| 1.0 / (v + eps).sqrt()).collect();
    let [bias, mut along] = channel_sums(
        [gradient, x],
        &by.mean,
        inner,
        #[inline(always)]
        |[g, x], mean| [g, g * (x - mean)],
    );
    along.iter_mut().zip(&scale).for_each(|(sum, scale)| *sum *= scale);
    // Differences first: of a few values, little is left of the gradient, and it has to be exact.
    let factor: Vec<f32> = weight.iter().zip(&scale).map(|(w, s)| w * s).collect();
    let mean: Vec<f32> = bias.iter().map(|sum| sum / count).collect();
    let slope: Vec<f32> = along.iter().zip(&scale).map(|(along, s)| along * s / count).collect();
    let mut dx = OutputBuffer::new(x.len());
    let row = (channels * inner).max(1);
    let each = rows_per_part(x.len() / row, row);
    let parts =
        dx.par_chunks_mut(each * row).zip(gradient.par_chunks(each * row)).zip(x.par_chunks(each * row));
    parts.for_each(|((dx, g), x)| {
        map_channels(
            dx,
            [g, x],
            [&factor, &mean, &slope, &by.mean],
            inner,
            #[inline(always)]
            |[g, x], [factor, mean, slope, centre]| factor * ((g - mean) - (x - centre) * slope),
        );
    });
    NormGradients { x: dx.into_vec(), weight: along, bias }
}

/// Two sums of `f(values, mean)` over each channel of two tensors `[rows, channels, inner]`.
fn channel_sums(
    [first, second]: [&[f32]; 2],
    mean: &[f32],
    inner: usize,
    f: impl Fn([f32; 2], f32) -> [f32; 2] + Sync,
) -> [Vec<f32>; 2] {
    let channels = mean.len();
    let row = (channels * inner).max(1);
    let each = rows_per_part(first.len() / row, row);
    let run = |(first, second): (&[f32], &[f32])| {
        let (mut a, mut b) = (vec![0.0; channels], vec![0.0; channels]);
        vectorized(
            #[inline(always)]
            || {
                for (first, second) in first.chunks_exact(row).zip(second.chunks_exact(row)) {
                    if inner == 1 {
                        let each = first.iter().zip(second).zip(mean);
                        for ((a, b), ((x, y), mean)) in a.iter_mut().zip(&mut b).zip(each) {
                            let [more, other] = f([*x, *y], *mean);
                            *a += more;
                            *b += other;
                        }
                        continue;
                    }
                    let each = first.chunks_exact(inner).zip(second.chunks_exact(inner)).zip(mean);
                    for ((a, b), ((x, y), mean)) in a.iter_mut().zip(&mut b).zip(each) {
                        let [more, other] = pair_sums(x, y, *mean, &f);
                        *a += more;
                        *b += other;
                    }
                }
            },
        );
        [a, b]
    };
    let parts: Vec<[Vec<f32>; 2]> =
        first.par_chunks(each * row).zip(second.par_chunks(each * row)).map(run).collect();
    let mut sums = [vec![0.0; channels], vec![0.0; channels]];
    for [a, b] in &parts {
        add(&mut sums[0], a);
        add(&mut sums[1], b);
    }
    sums
}

/// Sums over one channel of a row, in sixteen lanes.
#[inline(always)]
fn pair_sums(x: &[f32], y: &[f32], mean: f32, f: &impl Fn([f32; 2], f32) -> [f32; 2]) -> [f32; 2] {
    let mut lanes = [[0.0; 16]; 2];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<16>(), y.as_chunks::<16>());
    for (x, y) in x.iter().zip(y) {
        for i in 0..16 {
            let [a, b] = f([x[i], y[i]], mean);
            lanes[0][i] += a;
            lanes[1][i] += b;
        }
    }
    for (i, (x, y)) in x_rest.iter().zip(y_rest).enumerate() {
        let [a, b] = f([*x, *y], mean);
        lanes[0][i] += a;
        lanes[1][i] += b;
    }
    lanes.map(|lanes| {
        sum_by(
            &lanes,
            #[inline(always)]
            |x| x,
        )
    })
}

/// Sets each value to `f(values, coefficients of the channel)`; all are `[rows, channels, inner]`.
fn map_channels(
    out: &mut [f32],
    [first, second]: [&[f32]; 2],
    by: [&[f32]; 4],
    inner: usize,
    f: impl Fn([f32; 2], [f32; 4]) -> f32,
) {
    let row = (by[0].len() * inner).max(1);
    let coefficients = |channel: usize| by.map(|by| by[channel]);
    vectorized(
        #[inline(always)]
        || {
            let rows = first.chunks_exact(row).zip(second.chunks_exact(row));
            for (out, (first, second)) in out.chunks_exact_mut(row).zip(rows) {
                if inner == 1 {
                    let by = by[0].iter().zip(by[1]).zip(by[2]).zip(by[3]);
                    let each = first.iter().zip(second).zip(by);
                    for (out, ((x, y), (((a, b), c), d))) in out.iter_mut().zip(each) {
                        *out = f([*x, *y], [*a, *b, *c, *d]);
                    }
                    continue;
                }
                let each = first.chunks_exact(inner).zip(second.chunks_exact(inner));
                for (channel, (out, (x, y))) in out.chunks_exact_mut(inner).zip(each).enumerate() {
                    let by = coefficients(channel);
                    for (out, (x, y)) in out.iter_mut().zip(x.iter().zip(y)) {
                        *out = f([*x, *y], by);
                    }
                }
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, phase: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.7 + phase).sin() * 2.0 + 0.3).collect()
    }

    /// Sum of `gradient * norm(x)` in 64 bits.
    fn objective(x: &[f64], weight: &[f64], bias: &[f64], gradient: &[f32], inner: usize) -> f64 {
        let channels = weight.len();
        let of = |channel: usize| (0..x.len()).filter(move |i| i / inner % channels == channel);
        let one = |channel: usize| {
            let count = of(channel).count() as f64;
            let mean = of(channel).map(|i| x[i]).sum::<f64>() / count;
            let variance = of(channel).map(|i| (x[i] - mean).powi(2)).sum::<f64>() / count;
            let value = |i: usize| (x[i] - mean) / (variance + 1e-5).sqrt() * weight[channel] + bias[channel];
            of(channel).map(|i| value(i) * f64::from(gradient[i])).sum::<f64>()
        };
        (0..channels).map(one).sum()
    }

    #[test]
    fn gradients_are_those_of_finite_differences_in_64_bits() {
        let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|x| f64::from(*x)).collect() };
        for (rows, channels, inner) in [(4, 1, 1), (5, 3, 1), (3, 2, 4), (2, 5, 17), (6, 4, 16)] {
            let count = rows * channels * inner;
            let (x, gradient) = (values(count, 0.0), values(count, 3.0));
            let (weight, bias) = (values(channels, 1.0), values(channels, 2.0));
            let by = statistics(&x, channels, inner);
            let y = forward(&x, &by, &weight, &bias, inner, 1e-5);
            let found = backward(&x, &by, &weight, &gradient, inner, 1e-5);
            let inputs = [wide(&x), wide(&weight), wide(&bias)];
            let exact = objective(&inputs[0], &inputs[1], &inputs[2], &gradient, inner);
            let sum: f64 = y.iter().zip(&gradient).map(|(y, g)| f64::from(y * g)).sum();
            assert!((sum - exact).abs() < 1e-3 * exact.abs().max(1.0), "{channels} {inner}: {sum}, {exact}");
            for (which, found) in [&found.x, &found.weight, &found.bias].into_iter().enumerate() {
                for (index, found) in found.iter().enumerate() {
                    let at = |h: f64| {
                        let mut moved = inputs.clone();
                        moved[which][index] += h;
                        objective(&moved[0], &moved[1], &moved[2], &gradient, inner)
                    };
                    let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                    assert!(
                        (f64::from(*found) - slope).abs() < 3e-4 * slope.abs().max(1.0),
                        "{channels} {inner}, input {which} at {index}: {found}, {slope}"
                    );
                }
            }
        }
    }
}
