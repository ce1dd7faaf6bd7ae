//! Sums of gradients and Hessians of the rows in each bin.
//!
//! Both are quantised to integers once per tree and packed into one 64-bit word: the gradient in the upper half, the
//! Hessian in the lower one. One addition counts a row, sums do not depend on the order of rows or threads, and a parent
//! less a child is exactly the other child. The quanta follow from the sums of all rows, so that no half overflows: an
//! average row counts 2^31 / rows of them (compare Shi et al. 2022, where 2 to 5 bits suffice).

use rayon::prelude::*;

use super::bins::MAX_BINS;
use super::matrix::{BinBlock, BinnedMatrix};

/// Histogram of one column.
pub(crate) type ColumnHistogram = [i64; MAX_BINS];

/// Rows that pass all blocks together, so that their gradients stay in the cache.
const CHUNK_ROWS: usize = 2_048;
/// Values from which on several threads work.
const PARALLEL_VALUES: usize = 1 << 17;

/// Quantised gradients and Hessians of all rows.
#[derive(Debug, Default)]
pub(crate) struct PackedGradients {
    /// Packed pairs by row.
    pub pairs: Vec<i64>,
    /// Gradient of one quantum.
    pub gradient: f64,
    /// Hessian of one quantum.
    pub hessian: f64,
}

impl PackedGradients {
    /// Packs the gradients and Hessians of one of `width` outputs (`[rows, width]`) with the quanta that fit the sums of
    /// `rows`. With `constant`, all Hessians are 1.
    #[allow(clippy::cast_possible_truncation, reason = "the quanta keep the numbers in range")]
    pub fn pack(&mut self, pairs: &[[f32; 2]], [output, width]: [usize; 2], rows: &[u32], constant: bool) {
        let sums = rows.par_chunks(1 << 14).map(|rows| {
            rows.iter().fold((0.0, 0.0), |(gradient, hessian), &row| {
                let [g, h] = pairs[row as usize * width + output];
                (gradient + f64::from(g.abs()), hessian + f64::from(h))
            })
        });
        // The order of a parallel sum would depend on the threads.
        let sums: Vec<(f64, f64)> = sums.collect();
        let (gradient, hessian) = sums.iter().fold((0.0, 0.0), |sum, part| (sum.0 + part.0, sum.1 + part.1));
        // Rounding to a quantum adds half of one a row at most, that of floats far less than a thousandth.
        let quanta = 0.999 * f64::from(i32::MAX) - rows.len() as f64;
        self.gradient = (gradient / quanta).max(f64::MIN_POSITIVE);
        self.hessian = if constant { 1.0 } else { (hessian / quanta).max(f64::MIN_POSITIVE) };
        let (by_gradient, by_hessian) = ((1.0 / self.gradient) as f32, (1.0 / self.hessian) as f32);
        self.pairs.resize(pairs.len() / width, 0);
        let chunks = self.pairs.par_chunks_mut(1 << 14).zip(pairs.par_chunks(width << 14));
        chunks.for_each(|(to, from)| {
            for (to, from) in to.iter_mut().zip(from.chunks_exact(width)) {
                let [gradient, hessian] = from[output];
                // Rounding half away from zero with a cast is faster than `round`.
                let scaled = gradient * by_gradient;
                let gradient = (scaled + 0.5_f32.copysign(scaled)) as i32;
                let hessian = (hessian * by_hessian + 0.5) as i32;
                *to = (i64::from(gradient) << 32) + i64::from(hessian);
            }
        });
    }

    /// Sum of some rows.
    pub fn sum(&self, rows: &[u32]) -> i64 {
        rows.iter().fold(0_i64, |sum, &row| sum.wrapping_add(self.pairs[row as usize]))
    }
}

/// Gradient of a sum in quanta.
#[inline]
#[allow(clippy::cast_precision_loss, reason = "at most 32 bits")]
pub(crate) fn gradient(sum: i64) -> f64 {
    (sum >> 32) as f64
}

/// Hessian of a sum in quanta.
#[inline]
pub(crate) fn hessian(sum: i64) -> f64 {
    (sum & 0xffff_ffff) as f64
}

/// Histograms of all columns of `matrix` over some rows. `used` names the columns that are needed.
pub(crate) fn build(
    matrix: &BinnedMatrix,
    pairs: &[i64],
    rows: &[u32],
    used: &[bool],
    histograms: &mut [ColumnHistogram],
) {
    let threads = rayon::current_num_threads();
    if threads > 1 && rows.len() * matrix.columns.len() >= PARALLEL_VALUES {
        let size = rows.len().div_ceil(threads);
        let mut parts: Vec<Vec<ColumnHistogram>> =
            vec![vec![[0; MAX_BINS]; histograms.len()]; rows.len().div_ceil(size) - 1];
        let (first, rest) = rows.split_at(size);
        rayon::scope(|scope| {
            for (rows, part) in rest.chunks(size).zip(&mut parts) {
                scope.spawn(move |_| add(matrix, pairs, rows, used, part));
            }
            clear(matrix, histograms);
            add(matrix, pairs, first, used, histograms);
        });
        for part in parts {
            for ((to, from), bins) in histograms.iter_mut().zip(&part).zip(matrix.columns.iter()) {
                let count = bins.count();
                to[..count]
                    .iter_mut()
                    .zip(&from[..count])
                    .for_each(|(to, from)| *to = to.wrapping_add(*from));
            }
        }
    } else {
        clear(matrix, histograms);
        add(matrix, pairs, rows, used, histograms);
    }
}

fn clear(matrix: &BinnedMatrix, histograms: &mut [ColumnHistogram]) {
    for (histogram, bins) in histograms.iter_mut().zip(matrix.columns.iter()) {
        histogram[..bins.count()].fill(0);
    }
}

fn add(
    matrix: &BinnedMatrix,
    pairs: &[i64],
    rows: &[u32],
    used: &[bool],
    histograms: &mut [ColumnHistogram],
) {
    for rows in rows.chunks(CHUNK_ROWS) {
        for block in &matrix.blocks {
            let columns = block.first..block.first + block.width;
            if used[columns.clone()].contains(&true) {
                let histograms = &mut histograms[columns];
                match block.width {
                    8 => add_block::<8>(block, pairs, rows, histograms),
                    4 => add_block::<4>(block, pairs, rows, histograms),
                    2 => add_block::<2>(block, pairs, rows, histograms),
                    _ => add_block::<1>(block, pairs, rows, histograms),
                }
            }
        }
    }
}

/// The hot loop. The width is a constant, so that it is unrolled, and a bin is a byte, so that no index is checked.
fn add_block<const WIDTH: usize>(
    block: &BinBlock,
    pairs: &[i64],
    rows: &[u32],
    histograms: &mut [ColumnHistogram],
) {
    let Ok(histograms) = <&mut [ColumnHistogram; WIDTH]>::try_from(histograms) else { return };
    let (bins, _) = block.data.as_chunks::<WIDTH>();
    let bins = &bins[..pairs.len().min(bins.len())];
    for &row in rows {
        let (bins, pair) = (bins[row as usize], pairs[row as usize]);
        for place in 0..WIDTH {
            let sum = &mut histograms[place][usize::from(bins[place])];
            *sum = sum.wrapping_add(pair);
        }
    }
}

/// Turns the histograms of a parent into those of the child that is not `child`.
pub(crate) fn subtract(matrix: &BinnedMatrix, parent: &mut [ColumnHistogram], child: &[ColumnHistogram]) {
    for ((parent, child), bins) in parent.iter_mut().zip(child).zip(matrix.columns.iter()) {
        let count = bins.count();
        parent[..count].iter_mut().zip(&child[..count]).for_each(|(to, from)| *to = to.wrapping_sub(*from));
    }
}
