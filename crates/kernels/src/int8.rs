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

    /// Matrix of zeros for this processor, to be filled by [`Self::write_rows`].
    pub fn zeros(input: usize, output: usize) -> Self {
        Self::zeros_in(RowFormat::detect(), input, output)
    }

    fn zeros_in(format: RowFormat, input: usize, output: usize) -> Self {
        let (deep, blocks) = (input.div_ceil(DEPTH), output.div_ceil(BLOCK_COLUMNS));
        Self {
            input,
            output,
            weight: vec![0; blocks * deep * BLOCK_COLUMNS * DEPTH],
            scales: vec![[0.0; BLOCK_COLUMNS]; blocks],
            offsets: vec![[0; BLOCK_COLUMNS]; blocks],
            format,
        }
    }

    /// Quantises rows of `input` values, which become the columns from `first` on.
    pub fn write_rows(&mut self, first: usize, values: &[f32]) {
        let (deep, offset) = (self.input.div_ceil(DEPTH), self.format.offset());
        for (at, values) in (first..self.output).zip(values.chunks_exact(self.input.max(1))) {
            let (block, column) = (at / BLOCK_COLUMNS, at % BLOCK_COLUMNS);
            let scale = max_abs(values) / 127.0;
            self.scales[block][column] = scale;
            for (i, value) in values.iter().enumerate() {
                // Within 127 by its scale.
                #[allow(clippy::cast_possible_truncation)]
                let integer = if scale > 0.0 { (value / scale).round() as i8 } else { 0 };
                let four = (block * deep + i / DEPTH) * BLOCK_COLUMNS + column;
                self.weight[four * DEPTH + i % DEPTH] = integer;
                self.offsets[block][column] += offset * i32::from(integer);
            }
        }
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
mod tests;
