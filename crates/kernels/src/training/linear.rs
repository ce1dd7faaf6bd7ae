//! Linear layers with their backward pass.

use rayon::prelude::*;

use super::activation::activate;
use super::output::OutputBuffer;
use super::parts::{add, rows_per_part};
use crate::matmul::{BLOCK_COLUMNS, PackedMatrix, TiledProduct, multiply_part};
use crate::pointwise::Pointwise;
use crate::simd::{CHUNK, vectorized};

/// Most rows of a product that a thread computes before their bias is added, so that they are still in the cache.
const ROWS: usize = 64;
/// Rows that are summed at a time for the gradient of the weights.
const SUM_ROWS: usize = 1_024;
/// Side of the squares that are transposed at a time.
const SQUARE: usize = 16;

/// Gradients of a linear layer's inputs; those that are not needed are empty.
#[derive(Debug, Default)]
pub struct LinearGradients {
    /// `[rows, input]`
    pub x: Vec<f32>,
    /// `[input, output]`
    pub weight: Vec<f32>,
    /// `[output]`
    pub bias: Vec<f32>,
}

/// Maps `x` `[rows, input]` to `[rows, output]` by `weight` `[input, output]` and `bias` `[output]`.
pub fn forward(x: &[f32], weight: &[f32], bias: Option<&[f32]>, [input, output]: [usize; 2]) -> Vec<f32> {
    let rows = x.len() / input.max(1);
    let mut packed = PackedMatrix::default();
    packed.set_columns(weight, [input, output], output);
    product(&packed.times(x, rows, input), |y| {
        if let Some(bias) = bias {
            y.chunks_exact_mut(output).for_each(|row| add(row, bias));
        }
    })
}

/// Output of a linear layer with an activation function.
#[derive(Debug, Default)]
pub struct ActivatedLinear {
    /// `[rows, output]`
    pub y: Vec<f32>,
    /// `[rows, output]` before the activation; empty for `ReLU`, whose derivative follows from `y`.
    pub before: Vec<f32>,
}

/// [`forward`] followed by an activation function, which reads the products while they are in the cache.
pub fn forward_activated(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    [input, output]: [usize; 2],
    function: Pointwise,
) -> ActivatedLinear {
    let rows = x.len() / input.max(1);
    let mut packed = PackedMatrix::default();
    packed.set_columns(weight, [input, output], output);
    let of = packed.times(x, rows, input);
    let add_bias = |y: &mut [f32]| {
        if let Some(bias) = bias {
            y.chunks_exact_mut(output).for_each(|row| add(row, bias));
        }
    };
    if function == Pointwise::Relu {
        let y = product(&of, |y| {
            add_bias(y);
            relu(y);
        });
        return ActivatedLinear { y, before: Vec::new() };
    }
    if rows * output == 0 {
        return ActivatedLinear::default();
    }
    let each = rows_at_once(rows);
    let (mut y, mut before) = (OutputBuffer::new(rows * output), OutputBuffer::new(rows * output));
    let parts = before.par_chunks_mut(each * output).zip(y.par_chunks_mut(each * output));
    parts.enumerate().for_each(|(part, (before, y))| {
        multiply_rows(&of, part * each, before);
        add_bias(before);
        activate(function, before, y);
    });
    ActivatedLinear { y: y.into_vec(), before: before.into_vec() }
}

/// Gradients from the `gradient` `[rows, output]` of the output: those of `x`, weight and bias that are `needed`.
pub fn backward(
    x: &[f32],
    weight: &[f32],
    gradient: &[f32],
    [input, output]: [usize; 2],
    needed: [bool; 3],
) -> LinearGradients {
    let mut found = LinearGradients::default();
    if needed[0] {
        let packed = PackedMatrix::from_rows(weight, [input, output], output);
        found.x = product(&packed.times(gradient, x.len() / input.max(1), output), |_| ());
    }
    if needed[1] {
        found.weight = weight_gradient(x, gradient, [input, output]);
    }
    if needed[2] {
        found.bias = column_sums(gradient, output);
    }
    found
}

/// A product whose rows `finish` changes part by part, while they are in the cache.
fn product(of: &impl TiledProduct, finish: impl Fn(&mut [f32]) + Sync) -> Vec<f32> {
    let count = of.rows() * of.output();
    if count == 0 {
        return Vec::new();
    }
    let each = rows_at_once(of.rows());
    let mut y = OutputBuffer::new(count);
    y.par_chunks_mut(each * of.output()).enumerate().for_each(|(part, y)| {
        multiply_rows(of, part * each, y);
        finish(y);
    });
    y.into_vec()
}

/// Rows of a part. Each thread has as many parts: for one that is left over, the other threads would wait.
fn rows_at_once(rows: usize) -> usize {
    let threads = rayon::current_num_threads();
    rows.div_ceil(rows.div_ceil(ROWS * threads) * threads)
}

/// Computes the rows of a product from `start` on into `y`.
fn multiply_rows(of: &impl TiledProduct, start: usize, y: &mut [f32]) {
    let end = start + y.len() / of.output();
    multiply_part(of, start..end, 0..of.output().div_ceil(BLOCK_COLUMNS), y, of.output());
}

/// Replaces negative values by zeros; NaN stays NaN.
fn relu(values: &mut [f32]) {
    vectorized(
        #[inline(always)]
        || {
            for x in &mut *values {
                *x = if *x < 0.0 { 0.0 } else { *x };
            }
        },
    );
}

/// Gradient of the weight: the sum over the rows of the products of `x` and `gradient`.
fn weight_gradient(x: &[f32], gradient: &[f32], [input, output]: [usize; 2]) -> Vec<f32> {
    let mut sum = Vec::new();
    let (mut turned, mut packed) = (Vec::new(), PackedMatrix::default());
    let chunks = x.chunks((SUM_ROWS * input).max(1)).zip(gradient.chunks((SUM_ROWS * output).max(1)));
    for (x, gradient) in chunks {
        let count = x.len() / input;
        transpose(x, [count, input], &mut turned);
        packed.set_columns(gradient, [count, output], output);
        let part = product(&packed.times(&turned, input, count), |_| ());
        if sum.is_empty() {
            sum = part;
        } else {
            sum.par_chunks_mut(CHUNK).zip(part.par_chunks(CHUNK)).for_each(|(sum, part)| add(sum, part));
        }
    }
    sum.resize(input * output, 0.0);
    sum
}

/// Replaces `out` by the transpose of `values` `[rows, columns]`.
fn transpose(values: &[f32], [rows, columns]: [usize; 2], out: &mut Vec<f32>) {
    out.resize(values.len(), 0.0);
    let parts = out.par_chunks_mut((SQUARE * rows).max(1)).enumerate();
    parts.with_min_len(4).for_each(|(part, out)| {
        let first = part * SQUARE;
        for start in (0..rows).step_by(SQUARE) {
            let end = (start + SQUARE).min(rows);
            for (column, out) in out.chunks_exact_mut(rows).enumerate() {
                for row in start..end {
                    out[row] = values[row * columns + first + column];
                }
            }
        }
    });
}

/// Sum of each column of `values` `[rows, width]`.
fn column_sums(values: &[f32], width: usize) -> Vec<f32> {
    let width = width.max(1);
    let each = rows_per_part(values.len() / width, width);
    let sum = |values: &[f32]| {
        let mut sums = vec![0.0; width];
        vectorized(
            #[inline(always)]
            || {
                for row in values.chunks_exact(width) {
                    for (sum, x) in sums.iter_mut().zip(row) {
                        *sum += x;
                    }
                }
            },
        );
        sums
    };
    let parts: Vec<Vec<f32>> = values.par_chunks(each * width).map(sum).collect();
    let mut sums = vec![0.0; width];
    for part in &parts {
        add(&mut sums, part);
    }
    sums
}

#[cfg(test)]
mod tests {
    use super::super::activation;
    use super::*;

    fn values(count: usize, phase: f32) -> Vec<f32> {
        (0..count).map(|i| (i as f32 * 0.77 + phase).sin()).collect()
    }

    #[test]
    fn products_and_gradients_are_those_of_plain_loops_in_64_bits() {
        for (rows, input, output) in
            [(1, 1, 1), (7, 5, 3), (50, 17, 33), (3, 100, 64), (130, 64, 48), (2_500, 9, 20)]
        {
            let (x, weight, bias) =
                (values(rows * input, 0.0), values(input * output, 1.0), values(output, 2.0));
            let gradient = values(rows * output, 3.0);
            let y = forward(&x, &weight, Some(&bias), [input, output]);
            let found = backward(&x, &weight, &gradient, [input, output], [true; 3]);
            let wide = |x: f32| f64::from(x);
            let (mut dx, mut dw) = (vec![0.0; x.len()], vec![0.0; weight.len()]);
            let mut db = vec![0.0; output];
            let mut exact: Vec<f64> = (0..y.len()).map(|i| wide(bias[i % output])).collect();
            for row in 0..rows {
                for o in 0..output {
                    let g = wide(gradient[row * output + o]);
                    db[o] += g;
                    for i in 0..input {
                        let (a, w) = (wide(x[row * input + i]), wide(weight[i * output + o]));
                        exact[row * output + o] += a * w;
                        dx[row * input + i] += g * w;
                        dw[i * output + o] += g * a;
                    }
                }
            }
            let pairs = [(&y, &exact), (&found.x, &dx), (&found.weight, &dw), (&found.bias, &db)];
            for (found, exact) in pairs {
                assert_eq!(found.len(), exact.len());
                for (a, b) in found.iter().zip(exact) {
                    assert!(
                        (wide(*a) - b).abs() < 2e-4 * b.abs().max(1.0),
                        "{rows} {input} {output}: {a}, {b}"
                    );
                }
            }
            for needed in [[true, false, false], [false, true, false], [false, false, true]] {
                let some = backward(&x, &weight, &gradient, [input, output], needed);
                let parts = [(&some.x, &found.x), (&some.weight, &found.weight), (&some.bias, &found.bias)];
                for ((some, all), needed) in parts.into_iter().zip(needed) {
                    assert!(if needed { some == all } else { some.is_empty() });
                }
            }
        }
    }

    #[test]
    fn an_activated_layer_is_the_layer_and_the_activation() {
        for (rows, input, output) in [(0, 3, 4), (1, 5, 3), (130, 20, 33), (1_000, 9, 20)] {
            let (x, weight, bias) =
                (values(rows * input, 0.0), values(input * output, 1.0), values(output, 2.0));
            let gradient = values(rows * output, 3.0);
            for function in [Pointwise::Relu, Pointwise::Gelu, Pointwise::Silu] {
                let before = forward(&x, &weight, Some(&bias), [input, output]);
                let found = forward_activated(&x, &weight, Some(&bias), [input, output], function);
                assert_eq!(found.y, activation::forward(function, &before), "{function:?}");
                let read = if function == Pointwise::Relu { &found.y } else { &found.before };
                let expected = activation::backward(function, &before, &gradient);
                assert_eq!(activation::backward(function, read, &gradient), expected, "{function:?}");
            }
        }
        let found = forward_activated(&[f32::NAN], &[1.0], None, [1, 1], Pointwise::Relu);
        assert!(found.y[0].is_nan());
    }

    #[test]
    fn gradients_do_not_depend_on_the_number_of_threads() {
        let (rows, input, output) = (1_500, 70, 90);
        let (x, weight) = (values(rows * input, 0.0), values(input * output, 1.0));
        let gradient = values(rows * output, 3.0);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| {
                let found = backward(&x, &weight, &gradient, [input, output], [true; 3]);
                (forward(&x, &weight, None, [input, output]), found.x, found.weight, found.bias)
            })
        };
        assert!(run(1) == run(3));
    }
}
