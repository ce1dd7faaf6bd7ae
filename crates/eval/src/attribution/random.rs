//! Permutations that a seed decides.

/// Generator of Steele, Lea and Flood (2014), "Fast splittable pseudorandom number generators".
#[derive(Debug, Clone)]
pub(super) struct SplitMix(u64);

impl SplitMix {
    /// Generator of one purpose among many, such as a feature and a repeat.
    pub fn new(seed: u64, purpose: [u64; 2]) -> Self {
        let mut generator = Self(seed);
        for part in purpose {
            generator.0 = generator.next() ^ part.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
        generator
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Random order of `0..count` (Fisher and Yates).
    #[allow(clippy::cast_possible_truncation, reason = "the product's upper half is below `bound`")]
    pub fn permutation(&mut self, count: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..count).collect();
        for last in (1..count).rev() {
            let bound = last as u128 + 1;
            order.swap(last, ((u128::from(self.next()) * bound) >> 64) as usize);
        }
        order
    }
}
