//! Division of sums into parts that depend on the shapes alone.

use crate::simd::vectorized;

/// Most parts of a sum.
const PARTS: usize = 16;
/// Values that are worth a part of their own.
const VALUES: usize = 8 << 10;

/// Values that are worth waking threads for: a few tens of microseconds of work.
const PARALLEL: usize = 64 << 10;

/// `true` if work on this many values is worth more than one thread.
pub(super) fn is_parallel(values: usize) -> bool {
    values > PARALLEL
}

/// Rows of `width` values for each part.
pub(super) fn rows_per_part(rows: usize, width: usize) -> usize {
    rows.div_ceil(PARTS).max(VALUES / width.max(1)).max(1)
}

/// Adds `part` to `sums`.
pub(super) fn add(sums: &mut [f32], part: &[f32]) {
    vectorized(
        #[inline(always)]
        || {
            for (sum, part) in sums.iter_mut().zip(part) {
                *sum += part;
            }
        },
    );
}
