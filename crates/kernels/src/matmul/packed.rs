//! Matrices in the layout that tiles read.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::tiles::{BLOCK_COLUMNS, Tile, TiledProduct};

/// Vectors of 16 values that are worth waking a thread for.
const PART: usize = 1 << 10;

/// Right side of a product, in blocks of 16 columns, so that a tile reads it from one end to the other.
#[derive(Default)]
pub struct PackedMatrix {
    input: usize,
    output: usize,
    /// `[output / 16, input]`, padded with zeros.
    blocks: Vec<[f32; BLOCK_COLUMNS]>,
}

impl PackedMatrix {
    /// Packs `output` rows of `input` values, `stride` apart, as columns: a weight as `PyTorch` stores it, or keys.
    pub fn from_rows(values: &[f32], [output, input]: [usize; 2], stride: usize) -> Self {
        let mut this = Self::default();
        this.set_rows(values, [output, input], stride);
        this
    }

    /// Replaces the contents as [`Self::from_rows`] does, and keeps the allocation.
    pub fn set_rows(&mut self, values: &[f32], [output, input]: [usize; 2], stride: usize) {
        self.set_blocks(
            [input, output],
            #[inline(always)]
            |block, i| {
                let columns = block * BLOCK_COLUMNS..output.min((block + 1) * BLOCK_COLUMNS);
                let mut out = [0.0; BLOCK_COLUMNS];
                for (out, column) in out.iter_mut().zip(columns) {
                    *out = values[column * stride + i];
                }
                out
            },
        );
    }

    /// Matrix of zeros, to be filled by [`Self::write_rows`].
    pub fn zeros(input: usize, output: usize) -> Self {
        let mut this = Self::default();
        this.clear(input, output);
        this
    }

    /// Sets the columns from `first` on to rows of `input` values, `stride` apart. Rows beyond the last column are left
    /// out.
    pub fn write_rows(&mut self, first: usize, values: &[f32], stride: usize) {
        let (input, output) = (self.input, self.output);
        for (column, row) in (first..output).zip(values.chunks(stride.max(1))) {
            let block = &mut self.blocks[column / BLOCK_COLUMNS * input..][..input];
            block.iter_mut().zip(row).for_each(|(block, value)| block[column % BLOCK_COLUMNS] = *value);
        }
    }

    /// Replaces the contents by `input` rows of `output` values, `stride` apart, which stay rows: the values of attention.
    pub fn set_columns(&mut self, values: &[f32], [input, output]: [usize; 2], stride: usize) {
        self.set_blocks(
            [input, output],
            #[inline(always)]
            |block, i| {
                let row = &values[i * stride..][..output];
                if let Some(whole) = row[block * BLOCK_COLUMNS..].first_chunk() {
                    return *whole;
                }
                let part = &row[block * BLOCK_COLUMNS..];
                let mut out = [0.0; BLOCK_COLUMNS];
                out[..part.len()].copy_from_slice(part);
                out
            },
        );
    }

    /// Replaces the contents by the values `of` a block of columns and a row. Threads share large matrices, whose memory
    /// is not cleared before.
    fn set_blocks(
        &mut self,
        [input, output]: [usize; 2],
        of: impl Fn(usize, usize) -> [f32; BLOCK_COLUMNS] + Sync,
    ) {
        (self.input, self.output) = (input, output);
        self.blocks.clear();
        let count = output.div_ceil(BLOCK_COLUMNS) * input;
        if count < 2 * PART {
            let blocks = 0..output.div_ceil(BLOCK_COLUMNS);
            return self.blocks.extend(blocks.flat_map(|block| (0..input).map(move |i| (block, i))).map(
                #[inline(always)]
                |(block, i)| of(block, i),
            ));
        }
        let all = (0..count).into_par_iter().with_min_len(PART);
        self.blocks.par_extend(all.map(
            #[inline(always)]
            |at| of(at / input, at % input),
        ));
    }

    /// Replaces the contents by what `write` sets; other elements are zero.
    pub fn fill(&mut self, input: usize, output: usize, write: impl FnOnce(&mut MatrixWriter<'_>)) {
        self.clear(input, output);
        write(&mut MatrixWriter { blocks: &mut self.blocks, input });
    }

    fn clear(&mut self, input: usize, output: usize) {
        (self.input, self.output) = (input, output);
        self.blocks.clear();
        self.blocks.resize(output.div_ceil(BLOCK_COLUMNS) * input, [0.0; BLOCK_COLUMNS]);
    }

    /// Product of `rows` rows of `x`, `stride` apart, with this matrix.
    pub fn times<'a>(&'a self, x: &'a [f32], rows: usize, stride: usize) -> impl TiledProduct + 'a {
        Times { packed: self, x, rows, stride }
    }
}

/// Writer of single elements.
pub struct MatrixWriter<'a> {
    blocks: &'a mut [[f32; BLOCK_COLUMNS]],
    input: usize,
}

impl MatrixWriter<'_> {
    /// Sets the element at `row` `0..input` and `column` `0..output`.
    #[inline(always)]
    pub fn set(&mut self, row: usize, column: usize, value: f32) {
        self.blocks[column / BLOCK_COLUMNS * self.input + row][column % BLOCK_COLUMNS] = value;
    }
}

struct Times<'a> {
    packed: &'a PackedMatrix,
    x: &'a [f32],
    rows: usize,
    stride: usize,
}

impl TiledProduct for Times<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn input(&self) -> usize {
        self.packed.input
    }

    fn output(&self) -> usize {
        self.packed.output
    }

    fn tile(&self, rows: Range<usize>, blocks: Range<usize>, out: &mut Tile) {
        let input = self.packed.input;
        let job = TileJob {
            x: &self.x[rows.start * self.stride..],
            stride: self.stride,
            blocks: &self.packed.blocks[blocks.start * input..blocks.end * input],
            input,
            shape: [rows.len(), blocks.len()],
            out,
        };
        Arch::new().dispatch(job);
    }
}

/// Computation of a tile, generic over the vector width.
struct TileJob<'a> {
    x: &'a [f32],
    stride: usize,
    blocks: &'a [[f32; BLOCK_COLUMNS]],
    input: usize,
    shape: [usize; 2],
    out: &'a mut Tile,
}

impl WithSimd for TileJob<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        macro_rules! of {
            ($([$rows:literal, $blocks:literal])*) => {
                match self.shape {
                    $([$rows, $blocks] => self.sums::<S, $rows, $blocks, 1>(simd, 0),)*
                    _ => {}
                }
            };
        }
        // Vectors of half the width and half the registers take one block at a time, except for so few rows that each
        // addition would wait for the one before.
        macro_rules! each {
            ($vectors:literal, $($rows:literal by $blocks:literal),*) => {{
                let mut block = 0;
                match self.shape[0] {
                    $($rows => while self.shape[1] - block >= $blocks {
                        self.sums::<S, $rows, $blocks, $vectors>(simd, block);
                        block += $blocks;
                    })*
                    _ => {}
                }
                for block in block..self.shape[1] {
                    match self.shape[0] {
                        1 => self.sums::<S, 1, 1, $vectors>(simd, block),
                        2 => self.sums::<S, 2, 1, $vectors>(simd, block),
                        _ => self.sums::<S, 3, 1, $vectors>(simd, block),
                    }
                }
            }};
        }
        match S::F32_LANES {
            16 => of!([1, 1] [2, 1] [3, 1] [4, 1] [5, 1] [6, 1] [1, 2] [2, 2] [3, 2] [4, 2] [5, 2] [6, 2]
                [1, 3] [2, 3] [3, 3] [4, 3] [5, 3] [6, 3] [1, 4] [2, 4] [3, 4] [4, 4] [5, 4] [6, 4]),
            8 => each!(2, 1 by 4, 2 by 2, 3 by 2, 4 by 1, 5 by 1, 6 by 1),
            4 => each!(4, 1 by 2, 2 by 1, 3 by 1, 4 by 1, 5 by 1, 6 by 1),
            _ => each!(16, 1 by 1, 2 by 1, 3 by 1, 4 by 1, 5 by 1, 6 by 1),
        }
    }
}

impl TileJob<'_> {
    /// Sums of `ROWS` rows and `BLOCKS` blocks from block `first` on, each in `VECTORS` vectors.
    #[inline(always)]
    fn sums<S: Simd, const ROWS: usize, const BLOCKS: usize, const VECTORS: usize>(
        &mut self,
        simd: S,
        first: usize,
    ) {
        let input = self.input;
        let rows: [&[f32]; ROWS] = std::array::from_fn(
            #[inline(always)]
            |row| &self.x[row * self.stride..][..input],
        );
        let blocks: [&[[f32; BLOCK_COLUMNS]]; BLOCKS] = std::array::from_fn(
            #[inline(always)]
            |block| &self.blocks[(first + block) * input..][..input],
        );
        let mut sums = [[[simd.splat_f32s(0.0); VECTORS]; BLOCKS]; ROWS];
        for i in 0..input {
            let mut weights = [[simd.splat_f32s(0.0); VECTORS]; BLOCKS];
            for (weights, block) in weights.iter_mut().zip(&blocks) {
                weights.copy_from_slice(S::as_simd_f32s(&block[i]).0);
            }
            for (sums, row) in sums.iter_mut().zip(&rows) {
                let x = simd.splat_f32s(row[i]);
                for (sums, weights) in sums.iter_mut().zip(&weights) {
                    for (sum, weight) in sums.iter_mut().zip(weights) {
                        *sum = simd.mul_add_e_f32s(x, *weight, *sum);
                    }
                }
            }
        }
        for (out, sums) in self.out.iter_mut().zip(&sums) {
            for (out, sums) in out[first..].iter_mut().zip(sums) {
                S::as_mut_simd_f32s(out).0.copy_from_slice(sums);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tiles::{multiply, multiply_part};
    use super::*;

    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i as f32 + 1.0) * 12.9898).sin()).collect()
    }

    #[test]
    fn products_are_those_of_plain_loops() {
        for (rows, input, output) in [(1, 1, 1), (3, 5, 17), (7, 64, 48), (50, 130, 165), (5, 700, 300)] {
            // Rows with gaps between them.
            let (stride, wide) = (input + 3, output + 2);
            let x = values(rows * stride);
            let weight = values(output * stride);
            let across = values(input * wide);
            let exact = |row: usize, column: usize, transposed: bool| -> f32 {
                let of = |i: usize| {
                    if transposed { across[i * wide + column] } else { weight[column * stride + i] }
                };
                (0..input).map(|i| x[row * stride + i] * of(i)).sum()
            };
            let mut packed = PackedMatrix::from_rows(&weight, [output, input], stride);
            for transposed in [false, true] {
                if transposed {
                    packed.set_columns(&across, [input, output], wide);
                }
                let of = packed.times(&x, rows, stride);
                let (mut found, mut serial) = (vec![0.0; rows * output], vec![0.0; rows * output]);
                multiply(&of, &mut found);
                multiply_part(&of, 0..rows, 0..output.div_ceil(BLOCK_COLUMNS), &mut serial, output);
                assert_eq!(found, serial);
                for (at, found) in found.iter().enumerate() {
                    let exact = exact(at / output, at % output, transposed);
                    assert!((found - exact).abs() < 1e-4 * input as f32, "{at}: {found}, exactly {exact}");
                }
            }
        }
    }
}
