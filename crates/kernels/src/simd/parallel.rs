//! Loops over chunks and rows, on several threads where there is enough work.

use rayon::prelude::*;

use super::vectorized;

/// Values that are worth waking a thread for.
pub(crate) const CHUNK: usize = 16 << 10;

/// Applies `f` to chunks of `chunk` values.
pub(crate) fn for_each_chunk(values: &mut [f32], chunk: usize, f: impl Fn(&mut [f32]) + Sync) {
    let run = |chunk: &mut [f32]| {
        vectorized(
            #[inline(always)]
            || f(chunk),
        );
    };
    if values.len() <= chunk { run(values) } else { values.par_chunks_mut(chunk).for_each(run) }
}

/// Applies `f` to each row of `values` `[rows, width]`.
pub(crate) fn for_each_row(values: &mut [f32], width: usize, f: impl Fn(&mut [f32]) + Sync) {
    let width = width.max(1);
    for_each_chunk(
        values,
        (CHUNK / width).max(1) * width,
        #[inline(always)]
        |rows| {
            for row in rows.chunks_exact_mut(width) {
                f(row);
            }
        },
    );
}
