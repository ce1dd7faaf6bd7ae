//! Loops over chunks and rows, on several threads where there is enough work.

use std::mem::forget;

use rayon::prelude::*;

use super::vectorized;

/// Values that are worth waking a thread for.
pub(crate) const CHUNK: usize = 16 << 10;

/// Makes the current thread one of a new pool of threads, for the rest of the process.
///
/// Another thread wakes a thread of rayon's global pool for each parallel loop and sleeps until it ends; a thread of a
/// pool does a part of the loop itself. A training step has hundreds of loops. Other threads keep the global pool. The
/// new pool is never taken down, so only a thread that lives as long as the process calls this. Without such a pool,
/// everything works as before.
pub fn join_new_pool() {
    if rayon::current_thread_index().is_some() {
        return;
    }
    // As many as the global pool has, which environment variables may limit.
    let threads = rayon::current_num_threads();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread();
    if let Ok(pool) = pool.thread_name(|index| format!("kernels-{index}")).build() {
        forget(pool);
    }
}

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
