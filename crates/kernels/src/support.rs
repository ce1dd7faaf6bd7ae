//! Vector instructions of this processor, for logs and reports.

use pulp::{Arch, Simd, WithSimd};

use crate::int8;

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
