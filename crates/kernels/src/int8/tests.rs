use super::*;
use crate::matmul::multiply;

fn values(count: usize, seed: u32) -> Vec<f32> {
    (0..count).map(|i| ((i as f32 + 1.0) * 12.9898 + seed as f32).sin() * 3.0).collect()
}

impl QuantizedMatrix {
    /// A weight `[output, input]` for inputs of this format, quantised in two parts.
    fn with_format(format: RowFormat, weight: &[f32], input: usize) -> Self {
        let output = weight.len() / input;
        let mut this = Self::zeros_in(format, input, output);
        let (first, second) = weight.split_at(output / 2 * input);
        this.write_rows(0, first);
        this.write_rows(output / 2, second);
        this
    }
}

/// Product with the rounded weights in plain loops.
fn exact(weight: &QuantizedMatrix, x: &[f32], column: usize) -> f32 {
    let integers = weight.weight.chunks_exact(weight.input.div_ceil(DEPTH) * BLOCK_COLUMNS * DEPTH);
    let integers = integers.skip(column / BLOCK_COLUMNS).flatten().collect::<Vec<_>>();
    let index = |i: usize| (i / DEPTH * BLOCK_COLUMNS + column % BLOCK_COLUMNS) * DEPTH + i % DEPTH;
    let scale = weight.scales[column / BLOCK_COLUMNS][column % BLOCK_COLUMNS];
    x.iter().enumerate().map(|(i, x)| x * scale * f32::from(*integers[index(i)])).sum()
}

#[test]
fn products_are_within_half_a_step_of_the_exact_ones() {
    for (format, steps) in [(RowFormat::Bytes, 127.0), (RowFormat::Words, 30_000.0)] {
        for (rows, input, output) in [(1, 1, 1), (2, 5, 17), (7, 64, 48), (13, 130, 65), (6, 33, 64)] {
            let (x, weight) = (values(rows * input, 1), values(output * input, 7));
            let quantized = QuantizedMatrix::with_format(format, &weight, input);
            let mut found = vec![0.0; rows * output];
            multiply(&quantized.times(&x), &mut found);
            for (at, found) in found.iter().enumerate() {
                let (row, column) = (at / output, at % output);
                let (x, w) = (&x[row * input..][..input], &weight[column * input..][..input]);
                let (a, b) = (max_abs(x), max_abs(w));
                let off = (found - exact(&quantized, x, column)).abs();
                // Half a step for each value.
                let allowed = a * b * input as f32 * (0.5 / steps + 1e-6);
                assert!(off <= allowed, "{format:?} {at}: off by {off}");
                let unrounded: f32 = x.iter().zip(w).map(|(x, w)| x * w).sum();
                assert!((found - unrounded).abs() <= a * b * input as f32 / 127.0);
            }
        }
    }
}

#[test]
fn the_widest_and_largest_rows_do_not_overflow() {
    for format in [RowFormat::Bytes, RowFormat::Words] {
        let quantized = QuantizedMatrix::with_format(
            format,
            &vec![-3.0; QuantizedMatrix::MAX_INPUT],
            QuantizedMatrix::MAX_INPUT,
        );
        let mut found = [0.0];
        multiply(&quantized.times(&vec![2.0; QuantizedMatrix::MAX_INPUT]), &mut found);
        let exact = -6.0 * QuantizedMatrix::MAX_INPUT as f32;
        assert!((found[0] / exact - 1.0).abs() < 1e-5, "{format:?}: {}, exactly {exact}", found[0]);
    }
}

#[test]
fn an_outlier_does_not_coarsen_the_other_values() {
    let (input, output) = (256, 40);
    let mut plain = 0.0;
    for format in [RowFormat::Bytes, RowFormat::Words] {
        let (mut x, weight) = (values(input, 1), values(output * input, 7));
        let quantized = QuantizedMatrix::with_format(format, &weight, input);
        let off = |x: &[f32]| -> f32 {
            let mut found = vec![0.0; output];
            multiply(&quantized.times(x), &mut found);
            let off = |(column, found): (usize, &f32)| (found - exact(&quantized, x, column)).abs();
            found.iter().enumerate().map(off).fold(0.0, f32::max)
        };
        if format == RowFormat::Bytes {
            plain = off(&x);
        }
        let times = if format == RowFormat::Bytes { 1.0 } else { 100.0 };
        for (i, far) in [(0, 900.0 * times), (77, -500.0 * times), (255, 100.0)] {
            x[i] = far;
        }
        assert!(off(&x) < 2.0 * plain, "{format:?}: {} with three outliers, {plain} without", off(&x));
    }
}

#[test]
fn rows_of_zeros_stay_zeros_and_nan_stays_nan() {
    for format in [RowFormat::Bytes, RowFormat::Words] {
        let quantized = QuantizedMatrix::with_format(format, &[0.0; 12], 4);
        let mut out = vec![1.0; 6];
        multiply(&quantized.times(&[0.0; 8]), &mut out);
        assert_eq!(out, [0.0; 6]);
        multiply(&quantized.times(&[0.0, f32::NAN, 0.0, 0.0, 1.0, f32::INFINITY, 0.0, 0.0]), &mut out);
        assert!(out.iter().all(|x| x.is_nan()), "{out:?}");
    }
}
