//! Products with 8-bit weights.
//!
//! Weights have a scale for each column and inputs one for each row (Dettmers et al. 2022, "`LLM.int8()`", section 2.1).
//! Inputs become 16-bit integers, or bytes where the processor multiplies those faster. An outlier, which would make the
//! steps of all other values coarse, is multiplied in floats (section 3.2; here row by row, because the columns with
//! outliers are not known beforehand).

#[cfg(target_arch = "x86_64")]
mod avx2;
mod rows;
mod sums;
#[cfg(target_arch = "x86_64")]
mod vnni;

use std::ops::Range;

use rows::{QuantizedRows, RowFormat};

use crate::matmul::{BLOCK_COLUMNS, Tile, TiledProduct};
use crate::simd::{max_abs, vectorized};

/// Consecutive inputs that lie side by side for each column: what one instruction multiplies and adds.
const DEPTH: usize = 4;

/// Name of the instructions that multiply integers on this processor.
pub(crate) fn instructions() -> &'static str {
    match RowFormat::detect() {
        RowFormat::Bytes => "AVX-512 VNNI",
        #[cfg(target_arch = "x86_64")]
        RowFormat::Words if is_x86_feature_detected!("avx2") => "AVX2",
        RowFormat::Words => "any instructions",
    }
}

/// Weight matrix in 8 bits, the right side of a product.
pub struct QuantizedMatrix {
    input: usize,
    output: usize,
    /// `[output / 16, input / 4, 16, 4]`, padded with zeros.
    weight: Vec<i8>,
    /// Float value of the integer 1 in each column, `[output / 16, 16]`.
    scales: Vec<[f32; BLOCK_COLUMNS]>,
    /// Excess of each column's integer sums, which comes from the offset that is added to inputs.
    offsets: Vec<[i32; BLOCK_COLUMNS]>,
    format: RowFormat,
}

impl QuantizedMatrix {
    /// Widest input whose sums 32 bits hold, each product being at most 255 * 127.
    pub const MAX_INPUT: usize = 1 << 16;

    /// Quantises a weight `[output, input]` for this processor.
    pub fn new(weight: &[f32], input: usize) -> Self {
        Self::with_format(RowFormat::detect(), weight, input)
    }

    fn with_format(format: RowFormat, weight: &[f32], input: usize) -> Self {
        let output = weight.len() / input.max(1);
        let (deep, blocks) = (input.div_ceil(DEPTH), output.div_ceil(BLOCK_COLUMNS));
        let mut this = Self {
            input,
            output,
            weight: vec![0; blocks * deep * BLOCK_COLUMNS * DEPTH],
            scales: vec![[0.0; BLOCK_COLUMNS]; blocks],
            offsets: vec![[0; BLOCK_COLUMNS]; blocks],
            format,
        };
        for (at, values) in weight.chunks_exact(input.max(1)).enumerate() {
            let (block, column) = (at / BLOCK_COLUMNS, at % BLOCK_COLUMNS);
            let scale = max_abs(values) / 127.0;
            this.scales[block][column] = scale;
            for (i, value) in values.iter().enumerate() {
                // Within 127 by its scale.
                #[allow(clippy::cast_possible_truncation)]
                let integer = if scale > 0.0 { (value / scale).round() as i8 } else { 0 };
                let four = (block * deep + i / DEPTH) * BLOCK_COLUMNS + column;
                this.weight[four * DEPTH + i % DEPTH] = integer;
                this.offsets[block][column] += format.offset() * i32::from(integer);
            }
        }
        this
    }

    /// Product of `x` `[rows, input]`, which is quantised first, with this matrix.
    pub fn times(&self, x: &[f32]) -> impl TiledProduct {
        Times { weight: self, rows: QuantizedRows::new(x, self.input, self.format) }
    }

    /// Adds the products of input `i` to the columns of a block.
    #[inline(always)]
    fn add(&self, block: usize, i: usize, x: f32, out: &mut [f32; BLOCK_COLUMNS]) {
        let deep = self.input.div_ceil(DEPTH);
        let weight =
            &self.weight[(block * deep + i / DEPTH) * BLOCK_COLUMNS * DEPTH..][..BLOCK_COLUMNS * DEPTH];
        // One instruction for all columns: the byte is shifted to the top of its 32 bits and back, which extends its sign.
        let shift = 8 * (DEPTH - 1 - i % DEPTH);
        let each = weight.as_chunks::<DEPTH>().0.iter().zip(&self.scales[block]);
        for (out, (four, scale)) in out.iter_mut().zip(each) {
            let bits = i32::from_le_bytes(four.map(i8::cast_unsigned));
            *out += x * scale * (bits << shift >> 24) as f32;
        }
    }
}

struct Times<'a> {
    weight: &'a QuantizedMatrix,
    rows: QuantizedRows,
}

impl TiledProduct for Times<'_> {
    fn rows(&self) -> usize {
        self.rows.count()
    }

    fn input(&self) -> usize {
        self.weight.input
    }

    fn output(&self) -> usize {
        self.weight.output
    }

    fn tile(&self, rows: Range<usize>, blocks: Range<usize>, out: &mut Tile) {
        let own = self.weight;
        let wide = own.input.div_ceil(DEPTH) * DEPTH * BLOCK_COLUMNS;
        let weight = &own.weight[blocks.start * wide..blocks.end * wide];
        let sums = self.rows.sums(rows.clone(), weight, blocks.len());
        vectorized(
            #[inline(always)]
            || {
                for ((row, out), sums) in rows.clone().zip(out.iter_mut()).zip(&sums) {
                    let (row_scale, outliers) = (self.rows.scales[row], &self.rows.outliers[row]);
                    for ((block, out), sums) in blocks.clone().zip(out).zip(sums) {
                        // A local array, because the compiler can't prove that `out` is not aliased.
                        let mut values = [0.0; BLOCK_COLUMNS];
                        let each = sums.iter().zip(&own.offsets[block]).zip(&own.scales[block]);
                        for (value, ((sum, offset), scale)) in values.iter_mut().zip(each) {
                            *value = (sum - offset) as f32 * (row_scale * scale);
                        }
                        for &(i, x) in outliers {
                            own.add(block, i, x, &mut values);
                        }
                        *out = values;
                    }
                }
            },
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matmul::multiply;

    fn values(count: usize, seed: u32) -> Vec<f32> {
        (0..count).map(|i| ((i as f32 + 1.0) * 12.9898 + seed as f32).sin() * 3.0).collect()
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
}
