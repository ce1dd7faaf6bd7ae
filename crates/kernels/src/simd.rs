//! Run-time choice of vector instructions, and the loops and reductions that use them.

mod parallel;
mod reduce;

use pulp::{Arch, NullaryFnOnce};

pub use parallel::join_new_pool;
pub(crate) use parallel::{CHUNK, for_each_chunk, for_each_row};
pub(crate) use reduce::{max_abs, max_by, sum_by, sum_lanes};

/// Runs a loop with the widest vectors of this processor.
///
/// Only code that is inlined into the closure uses them: write plain loops instead of iterators' `for_each`, and mark
/// inner closures `#[inline(always)]`.
#[inline(always)]
pub fn vectorized<R>(run: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Loop(run))
}

/// Wrapper that keeps the closure `FnMut`: the compiler's adapter to `FnOnce` would not be inlined.
struct Loop<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Loop<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}
