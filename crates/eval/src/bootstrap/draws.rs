//! Random numbers that depend on a seed and a position alone, not on the thread or the order of the calls.

/// Increment of `SplitMix64`.
const GAMMA: u64 = 0x9E37_79B9_7F4A_7C15;

/// Number at a position of the sequence of a seed: `SplitMix64` (Steele, Lea and Flood 2014) as a function of its counter.
#[inline]
pub fn draw(seed: u64, position: u64) -> u64 {
    let mut bits = seed.wrapping_add(GAMMA.wrapping_mul(position.wrapping_add(1)));
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    bits ^ (bits >> 31)
}

/// Index below `bound` at a position of the sequence of a seed.
#[inline]
#[allow(clippy::cast_possible_truncation)]
pub fn index(seed: u64, position: u64, bound: usize) -> usize {
    // Multiplication instead of division (Lemire 2019); the bias is below 2^-50 for the bounds in use.
    ((u128::from(draw(seed, position)) * bound as u128) >> 64) as usize
}

/// Key of one purpose of a seed among many, such as a feature and a repeat.
pub fn key(seed: u64, purpose: [u64; 2]) -> u64 {
    purpose.into_iter().fold(seed, |key, part| draw(key, 0) ^ part.wrapping_mul(GAMMA))
}

/// Random order of `0..count` (Fisher and Yates).
pub fn permutation(key: u64, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for (position, last) in (1..count).rev().enumerate() {
        order.swap(last, index(key, position as u64, last + 1));
    }
    order
}

/// Draws `counts.len()` of as many units with replacement, and counts each.
pub fn count_resample(seed: u64, resample: usize, counts: &mut [u32]) {
    counts.fill(0);
    let key = draw(seed, resample as u64);
    for position in 0..counts.len() {
        counts[index(key, position as u64, counts.len())] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_equal_splitmix64() {
        // The first numbers of the reference implementation with seed 1234567.
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        for (position, expected) in (0..).zip(expected) {
            assert_eq!(draw(1_234_567, position), expected);
        }
    }

    #[test]
    fn each_unit_is_drawn_about_once() {
        let mut counts = vec![0; 1000];
        let mut sums = vec![0_u64; 1000];
        for resample in 0..2000 {
            count_resample(7, resample, &mut counts);
            assert_eq!(counts.iter().sum::<u32>(), 1000);
            for (sum, count) in sums.iter_mut().zip(&counts) {
                *sum += u64::from(*count);
            }
        }
        // Each sum is nearly Poisson with mean 2000, and there are 1000 of them.
        assert!(sums.iter().all(|sum| (1780..2220).contains(sum)), "{sums:?}");
    }
}
