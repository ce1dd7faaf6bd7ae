//! Layer norm (Ba et al. 2016) and RMS norm (Zhang and Sennrich 2019) of rows.

use rayon::prelude::*;

use super::output::OutputBuffer;
use super::parts::{add, rows_per_part};
use crate::simd::{sum_by, vectorized};

/// Statistics that a norm divides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowNorm {
    /// Mean 0 and variance 1.
    Layer,
    /// Mean square 1.
    Rms,
}

/// Output of a norm, and what its backward pass needs.
#[derive(Debug, Clone)]
pub struct Normalized {
    /// `[rows, width]`
    pub y: Vec<f32>,
    /// Mean of each row and the factor of its values; the mean is 0 for the RMS norm.
    pub statistics: Vec<[f32; 2]>,
}

/// Gradients of a norm's inputs.
#[derive(Debug, Default)]
pub struct NormGradients {
    /// `[rows, width]`
    pub x: Vec<f32>,
    /// `[width]`
    pub weight: Vec<f32>,
    /// `[width]`
    pub bias: Vec<f32>,
}

/// Normalises each row of `x` `[rows, width]`, then applies `weight` and `bias` `[width]`. `eps` is added to the variance
/// or mean square.
pub fn forward(kind: RowNorm, x: &[f32], weight: &[f32], bias: Option<&[f32]>, eps: f32) -> Normalized {
    let width = weight.len().max(1);
    let rows = x.len() / width;
    let (mut y, mut statistics) = (OutputBuffer::new(x.len()), vec![[0.0; 2]; rows]);
    let each = rows_per_part(rows, width);
    let parts = y.par_chunks_mut(each * width).zip(x.par_chunks(each * width));
    parts.zip(statistics.par_chunks_mut(each)).for_each(|((y, x), statistics)| {
        vectorized(
            #[inline(always)]
            || {
                for ((y, x), found) in
                    y.chunks_exact_mut(width).zip(x.chunks_exact(width)).zip(&mut *statistics)
                {
                    let [mean, scale] = row_statistics(kind, x, eps);
                    *found = [mean, scale];
                    match bias {
                        Some(bias) => {
                            for (((y, x), w), b) in y.iter_mut().zip(x).zip(weight).zip(bias) {
                                *y = (x - mean) * scale * w + b;
                            }
                        }
                        None => {
                            for ((y, x), w) in y.iter_mut().zip(x).zip(weight) {
                                *y = (x - mean) * scale * w;
                            }
                        }
                    }
                }
            },
        );
    });
    Normalized { y: y.into_vec(), statistics }
}

/// Mean and factor of a row.
#[inline(always)]
fn row_statistics(kind: RowNorm, x: &[f32], eps: f32) -> [f32; 2] {
    let count = x.len() as f32;
    let mean = match kind {
        RowNorm::Layer => {
            sum_by(
                x,
                #[inline(always)]
                |x| x,
            ) / count
        }
        RowNorm::Rms => 0.0,
    };
    let square = sum_by(
        x,
        #[inline(always)]
        |x| (x - mean) * (x - mean),
    );
    [mean, 1.0 / (square / count + eps).sqrt()]
}

/// Gradients from the `gradient` of the output.
pub fn backward(
    kind: RowNorm,
    x: &[f32],
    weight: &[f32],
    statistics: &[[f32; 2]],
    gradient: &[f32],
) -> NormGradients {
    let width = weight.len().max(1);
    let each = rows_per_part(statistics.len(), width);
    let mut dx = OutputBuffer::new(x.len());
    let parts = dx.par_chunks_mut(each * width).zip(x.par_chunks(each * width));
    let parts = parts.zip(gradient.par_chunks(each * width)).zip(statistics.par_chunks(each));
    let sums: Vec<[Vec<f32>; 2]> = parts
        .map(|(((dx, x), gradient), statistics)| {
            let (mut dw, mut db) = (vec![0.0; width], vec![0.0; width]);
            vectorized(
                #[inline(always)]
                || {
                    let rows = dx.chunks_exact_mut(width).zip(x.chunks_exact(width));
                    let rows = rows.zip(gradient.chunks_exact(width)).zip(statistics);
                    for (((dx, x), g), statistics) in rows {
                        backward_row(kind, [x, g, weight], *statistics, dx);
                        let [mean, scale] = *statistics;
                        for (((dw, db), x), g) in dw.iter_mut().zip(&mut db).zip(x).zip(g) {
                            *dw += g * (x - mean) * scale;
                            *db += g;
                        }
                    }
                },
            );
            [dw, db]
        })
        .collect();
    let mut total = NormGradients { x: dx.into_vec(), weight: vec![0.0; width], bias: vec![0.0; width] };
    for [dw, db] in &sums {
        add(&mut total.weight, dw);
        add(&mut total.bias, db);
    }
    total
}

/// Gradient of one row.
#[inline(always)]
fn backward_row(kind: RowNorm, [x, g, weight]: [&[f32]; 3], [mean, scale]: [f32; 2], dx: &mut [f32]) {
    let count = x.len() as f32;
    for ((dx, g), w) in dx.iter_mut().zip(g).zip(weight) {
        *dx = g * w;
    }
    let shift = match kind {
        RowNorm::Layer => {
            sum_by(
                dx,
                #[inline(always)]
                |x| x,
            ) / count
        }
        RowNorm::Rms => 0.0,
    };
    let mut lanes = [0.0; 16];
    for (dx, x) in dx.chunks(16).zip(x.chunks(16)) {
        for ((lane, dx), x) in lanes.iter_mut().zip(dx).zip(x) {
            *lane += dx * (x - mean) * scale;
        }
    }
    let along = lanes.iter().sum::<f32>() / count;
    for (dx, x) in dx.iter_mut().zip(x) {
        *dx = scale * (*dx - shift - (x - mean) * scale * along);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, phase: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.7 + phase).sin() * 2.0 + 0.3).collect()
    }

    /// Sum of `gradient * norm(x)` in 64 bits.
    fn objective(kind: RowNorm, x: &[f64], weight: &[f64], bias: &[f64], gradient: &[f32]) -> f64 {
        let width = weight.len();
        let rows = x.chunks(width).zip(gradient.chunks(width));
        rows.map(|(x, g)| {
            let mean = if kind == RowNorm::Layer { x.iter().sum::<f64>() / width as f64 } else { 0.0 };
            let square = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width as f64;
            let scale = 1.0 / (square + 1e-5).sqrt();
            let each = x.iter().zip(weight).zip(bias).zip(g);
            each.map(|(((x, w), b), g)| ((x - mean) * scale * w + b) * f64::from(*g)).sum::<f64>()
        })
        .sum()
    }

    #[test]
    fn gradients_are_those_of_finite_differences_in_64_bits() {
        let wide = |x: &[f32]| -> Vec<f64> { x.iter().map(|x| f64::from(*x)).collect() };
        for kind in [RowNorm::Layer, RowNorm::Rms] {
            for (rows, width) in [(1, 2), (3, 7), (2, 16), (5, 33), (4, 100)] {
                let (x, weight, bias) = (values(rows * width, 0.0), values(width, 1.0), values(width, 2.0));
                let gradient = values(rows * width, 3.0);
                let kept = forward(kind, &x, &weight, Some(&bias), 1e-5);
                let found = backward(kind, &x, &weight, &kept.statistics, &gradient);
                let (x, weight, bias) = (wide(&x), wide(&weight), wide(&bias));
                let y = objective(kind, &x, &weight, &bias, &gradient);
                let sum: f64 = kept.y.iter().zip(&gradient).map(|(y, g)| f64::from(y * g)).sum();
                assert!((sum - y).abs() < 1e-3 * y.abs().max(1.0), "{kind:?} {width}: {sum}, {y}");
                let inputs = [&x, &weight, &bias];
                for (which, found) in [&found.x, &found.weight, &found.bias].into_iter().enumerate() {
                    for (index, found) in found.iter().enumerate() {
                        let at = |h: f64| {
                            let mut moved = inputs.map(Clone::clone);
                            moved[which][index] += h;
                            objective(kind, &moved[0], &moved[1], &moved[2], &gradient)
                        };
                        let slope = (at(1e-5) - at(-1e-5)) / 2e-5;
                        let near = 2e-4 * slope.abs().max(1.0);
                        assert!(
                            (f64::from(*found) - slope).abs() < near,
                            "{kind:?} {width}, input {which} at {index}: {found}, {slope}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn sums_do_not_depend_on_the_number_of_threads() {
        let (rows, width) = (1_000, 65);
        let (x, weight, gradient) =
            (values(rows * width, 0.0), values(width, 1.0), values(rows * width, 3.0));
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let kept = forward(RowNorm::Layer, &x, &weight, None, 1e-5);
                backward(RowNorm::Layer, &x, &weight, &kept.statistics, &gradient)
            })
        };
        let (one, three) = (run(1), run(3));
        assert!(one.x == three.x && one.weight == three.weight && one.bias == three.bias);
    }
}
