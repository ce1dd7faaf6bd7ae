//! Products of matrices, tile by tile.

use std::ops::Range;

use rayon::prelude::*;

/// Columns that lie side by side in a block: the floats of a 512-bit vector.
pub const BLOCK_COLUMNS: usize = 16;
/// Largest number of rows of a tile.
pub const TILE_ROWS: usize = 6;
/// Largest number of column blocks of a tile.
pub const TILE_BLOCKS: usize = 4;

/// Sums of a tile, `[TILE_ROWS, TILE_BLOCKS, BLOCK_COLUMNS]`.
pub type Tile = [[[f32; BLOCK_COLUMNS]; TILE_BLOCKS]; TILE_ROWS];

/// Multiplications that are worth waking a thread for.
const WORK: usize = 1 << 18;

/// Product `[rows, input]` by `[input, output]` whose tiles can be computed in any order.
pub trait TiledProduct: Sync {
    /// Rows of the left side and of the result.
    fn rows(&self) -> usize;
    /// Columns of the left side.
    fn input(&self) -> usize;
    /// Columns of the result.
    fn output(&self) -> usize;
    /// Computes one tile: at most [`TILE_ROWS`] rows and [`TILE_BLOCKS`] blocks of columns.
    fn tile(&self, rows: Range<usize>, blocks: Range<usize>, out: &mut Tile);
}

/// Computes the product into `out` `[rows, output]`.
///
/// Many rows are shared out among threads by rows, few by columns, so that each thread reads only its part of the
/// weights.
pub fn multiply(of: &impl TiledProduct, out: &mut [f32]) {
    let (rows, blocks) = (of.rows(), of.output().div_ceil(BLOCK_COLUMNS));
    let threads = rayon::current_num_threads().min(rows * of.input() * of.output() / WORK).max(1);
    if threads == 1 {
        return multiply_part(of, 0..rows, 0..blocks, out, of.output());
    }
    if rows >= 2 * TILE_ROWS * threads {
        let each = rows.div_ceil(threads).next_multiple_of(TILE_ROWS);
        let parts = out.par_chunks_mut(each * of.output()).enumerate();
        return parts.for_each(|(i, out)| {
            let end = (i * each + out.len() / of.output()).min(rows);
            multiply_part(of, i * each..end, 0..blocks, out, of.output());
        });
    }
    let each = blocks.div_ceil(threads).next_multiple_of(TILE_BLOCKS);
    let starts: Vec<usize> = (0..blocks).step_by(each).collect();
    let parts: Vec<(usize, Vec<f32>, usize)> = starts
        .into_par_iter()
        .map(|start| {
            let end = (start + each).min(blocks);
            let width = (end * BLOCK_COLUMNS).min(of.output()) - start * BLOCK_COLUMNS;
            let mut own = vec![0.0; rows * width];
            multiply_part(of, 0..rows, start..end, &mut own, width);
            (start * BLOCK_COLUMNS, own, width)
        })
        .collect();
    for (at, own, width) in parts {
        for (out, own) in out.chunks_exact_mut(of.output()).zip(own.chunks_exact(width)) {
            out[at..at + width].copy_from_slice(own);
        }
    }
}

/// Computes a part of the product on the current thread. `out` begins with the first row and block, and its rows are
/// `width` apart.
pub fn multiply_part(
    of: &impl TiledProduct,
    rows: Range<usize>,
    blocks: Range<usize>,
    out: &mut [f32],
    width: usize,
) {
    let mut tile = Tile::default();
    // Tiles of about equal height: a low tile costs more for each of its rows.
    let tiles = rows.len().div_ceil(TILE_ROWS).max(1);
    let high = rows.len().div_ceil(tiles).max(1);
    // Blocks are the outer loop, so that their weights stay in the cache while the rows go by.
    for block in blocks.clone().step_by(TILE_BLOCKS) {
        let to = (block + TILE_BLOCKS).min(blocks.end);
        for row in rows.clone().step_by(high) {
            let end = (row + high).min(rows.end);
            of.tile(row..end, block..to, &mut tile);
            for (row, tile) in (row..end).zip(&tile) {
                let out = &mut out[(row - rows.start) * width..][..width];
                // A copy of a length that is not known is a call, so whole blocks are copied apart.
                let (whole, rest) = out.as_chunks_mut();
                let whole = whole.iter_mut().skip(block - blocks.start);
                let mut tile = tile[..to - block].iter();
                whole.zip(&mut tile).for_each(|(out, values)| *out = *values);
                if let Some(values) = tile.next() {
                    rest.copy_from_slice(&values[..rest.len()]);
                }
            }
        }
    }
}
