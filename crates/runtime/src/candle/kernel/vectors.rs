//! What kernels use of this processor.

use pulp::{Arch, NullaryFnOnce, Simd, WithSimd};

use super::int8;

/// Instructions that kernels on the CPU run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vectors {
    /// Bits of a vector of floats.
    pub float_bits: usize,
    /// What `--engine int8` multiplies by.
    pub int8: &'static str,
}

impl Vectors {
    /// Those of this processor.
    pub fn of_this_processor() -> Self {
        Self { float_bits: 32 * Arch::new().dispatch(Lanes), int8: int8::instructions() }
    }
}

/// Runs a loop by the widest vectors, which reach what is inlined into it: loops in place of iterators' `for_each`,
/// and closures that are told so.
#[inline(always)]
pub fn vectorized<R>(run: impl FnMut() -> R) -> R {
    Arch::new().dispatch(Loop(run))
}

/// A closure as it is: what the compiler puts around one to have it called once is not inlined.
struct Loop<F>(F);

impl<R, F: FnMut() -> R> NullaryFnOnce for Loop<F> {
    type Output = R;

    #[inline(always)]
    fn call(mut self) -> R {
        (self.0)()
    }
}

/// Asks how many floats a vector holds.
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
        let has = Vectors::of_this_processor();
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            assert!(has.float_bits >= 256 && has.int8 != "any instructions", "{has:?}");
        }
        if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vl") {
            assert_eq!(has.float_bits, 512);
        }
    }
}
