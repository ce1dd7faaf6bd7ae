//! Run-time choice of vector instructions, and the loops and reductions that use them.

mod parallel;
mod reduce;

use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};

use crate::int8;

pub(crate) use parallel::{CHUNK, for_each_chunk, for_each_row};
pub(crate) use reduce::{max_abs, max_by, sum_by};

/// Vector instructions that the kernels use on this processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SimdSupport {
    /// Bits of a vector of floats.
    pub float_bits: usize,
    /// Instructions for products with 8-bit weights.
    pub int8: &'static str,
}

impl SimdSupport {
    /// Detects the instructions of this processor.
    pub fn detect() -> Self {
        Self { float_bits: 32 * Arch::new().dispatch(Lanes), int8: int8::instructions() }
    }
}

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

/// Query for the number of floats in a vector.
struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn the_build_has_kernels_for_the_vectors_of_the_processor() {
        let found = SimdSupport::detect();
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            assert!(found.float_bits >= 256 && found.int8 != "any instructions", "{found:?}");
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            assert_eq!(found.float_bits, 512);
        }
    }
}
