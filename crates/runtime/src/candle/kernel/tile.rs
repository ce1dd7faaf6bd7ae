//! Products of matrices, tile by tile: sums of a few rows and columns at once, which stay in registers.

use std::ops::Range;

use rayon::prelude::*;

/// Columns that lie side by side: what a vector of 512 bits holds of 32-bit numbers.
pub const COLUMNS: usize = 16;
/// Rows of a tile.
pub const HIGH: usize = 6;
/// Blocks of columns of a tile.
pub const WIDE: usize = 4;

/// Values of a tile, row by row, block by block.
pub type Tile = [[[f32; COLUMNS]; WIDE]; HIGH];

/// Multiplications that are worth a thread.
const WORK: usize = 1 << 18;

/// A product whose tiles can be had in any order.
pub trait Product: Sync {
    /// Rows that go in and come out.
    fn rows(&self) -> usize;
    /// Width of what goes in.
    fn input(&self) -> usize;
    /// Width of what comes out.
    fn output(&self) -> usize;
    /// A tile: `rows` are [`HIGH`] at most, `blocks` of columns [`WIDE`] at most.
    fn tile(&self, rows: Range<usize>, blocks: Range<usize>, out: &mut Tile);
}

/// The product `[rows, output]`: many rows are shared out among threads by rows, few by columns, so that
/// each thread reads a part of the weights.
pub fn product(of: &impl Product, out: &mut [f32]) {
    let (rows, blocks) = (of.rows(), of.output().div_ceil(COLUMNS));
    let threads = rayon::current_num_threads().min(rows * of.input() * of.output() / WORK).max(1);
    if threads == 1 {
        return part(of, 0..rows, 0..blocks, out, of.output());
    }
    if rows >= 2 * HIGH * threads {
        let each = rows.div_ceil(threads).next_multiple_of(HIGH);
        let parts = out.par_chunks_mut(each * of.output()).enumerate();
        return parts.for_each(|(i, out)| {
            let end = (i * each + out.len() / of.output()).min(rows);
            part(of, i * each..end, 0..blocks, out, of.output());
        });
    }
    let each = blocks.div_ceil(threads).next_multiple_of(WIDE);
    let starts: Vec<usize> = (0..blocks).step_by(each).collect();
    let parts: Vec<(usize, Vec<f32>, usize)> = starts
        .into_par_iter()
        .map(|start| {
            let end = (start + each).min(blocks);
            let width = (end * COLUMNS).min(of.output()) - start * COLUMNS;
            let mut own = vec![0.0; rows * width];
            part(of, 0..rows, start..end, &mut own, width);
            (start * COLUMNS, own, width)
        })
        .collect();
    for (at, own, width) in parts {
        for (out, own) in out.chunks_exact_mut(of.output()).zip(own.chunks_exact(width)) {
            out[at..at + width].copy_from_slice(own);
        }
    }
}

/// Blocks outside, so that their weights stay near while the rows go by. `out` begins with the first row and
/// block, and has rows of `width`.
pub fn part(of: &impl Product, rows: Range<usize>, blocks: Range<usize>, out: &mut [f32], width: usize) {
    let mut tile = Tile::default();
    // About as many rows in each tile: one of a few costs more for each of them.
    let tiles = rows.len().div_ceil(HIGH).max(1);
    let high = rows.len().div_ceil(tiles).max(1);
    for block in blocks.clone().step_by(WIDE) {
        let to = (block + WIDE).min(blocks.end);
        for row in rows.clone().step_by(high) {
            let end = (row + high).min(rows.end);
            of.tile(row..end, block..to, &mut tile);
            for (row, tile) in (row..end).zip(&tile) {
                let out = &mut out[(row - rows.start) * width..][..width];
                for (block, values) in (block..to).zip(tile) {
                    let out = &mut out[(block - blocks.start) * COLUMNS..];
                    let count = out.len().min(COLUMNS);
                    out[..count].copy_from_slice(&values[..count]);
                }
            }
        }
    }
}
