//! Dropout (Srivastava et al. 2014) whose mask is a function of a seed and of each value's position, so that the backward
//! pass computes it again instead of reading it.
//!
//! The positions are the counters of Philox4x32-7, which passes all of `TestU01`'s batteries (Salmon et al. 2011, "Parallel
//! random numbers: as easy as 1, 2, 3", table 2). Each value takes 16 random bits.

use rayon::prelude::*;

use crate::simd::vectorized;

const ROUNDS: u32 = 7;
/// Multipliers and increments of Philox4x32 (Salmon et al. 2011, section 3.3).
const MULTIPLIERS: [u64; 2] = [0xD251_1F53, 0xCD9E_8D57];
const INCREMENTS: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];
const LOW: u64 = 0xFFFF_FFFF;

/// Counters that are advanced side by side.
const LANES: usize = 8;
/// Values of a group of counters: each counter has 128 random bits.
pub(crate) const GROUP: usize = 8 * LANES;
/// Values of a parallel task, about 20 microseconds.
const TASK: usize = 32 << 10;

/// Random choice of the values that dropout keeps.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DropoutMask {
    seed: u64,
    /// A value is dropped if its 16 bits are below.
    threshold: u64,
    /// Factor of the values that are kept.
    scale: f32,
}

impl DropoutMask {
    /// Mask that drops each value with `probability`, rounded to a multiple of 2^-16 below 1, and scales the others so
    /// that the expected value stays the same.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped")]
    pub fn new(probability: f64, seed: u64) -> Self {
        let threshold = (probability * 65_536.0).round().clamp(0.0, 65_535.0);
        Self { seed, threshold: threshold as u64, scale: (65_536.0 / (65_536.0 - threshold)) as f32 }
    }

    /// Values with dropout; also the gradient of the input from the gradient of the output.
    pub fn apply(&self, x: &[f32]) -> Vec<f32> {
        let mut out = vec![0.0; x.len()];
        let run = |(task, (out, x)): (usize, (&mut [f32], &[f32]))| {
            self.multiply((task * (TASK / GROUP)) as u64, x, out);
        };
        if x.len() < 2 * TASK {
            run((0, (&mut out, x)));
        } else {
            out.par_chunks_mut(TASK).zip(x.par_chunks(TASK)).enumerate().for_each(run);
        }
        out
    }

    /// Sets `out` to `x` times the factors from a group on.
    fn multiply(&self, first: u64, x: &[f32], out: &mut [f32]) {
        vectorized(
            #[inline(always)]
            || {
                let mut factors = [0.0; GROUP];
                let groups = out.chunks_mut(GROUP).zip(x.chunks(GROUP));
                for (group, (out, x)) in (first..).zip(groups) {
                    self.group(0, group, &mut factors);
                    for ((out, x), factor) in out.iter_mut().zip(x).zip(&factors) {
                        *out = x * factor;
                    }
                }
            },
        );
    }

    /// Sets the first factors of a stream, 0 or the scale: those of a mask of its own.
    #[inline(always)]
    pub(crate) fn fill(&self, stream: u64, factors: &mut [f32]) {
        let (groups, rest) = factors.as_chunks_mut::<GROUP>();
        let last = groups.len() as u64;
        for (group, factors) in (0..).zip(groups) {
            self.group(stream, group, factors);
        }
        if !rest.is_empty() {
            let mut all = [0.0; GROUP];
            self.group(stream, last, &mut all);
            rest.copy_from_slice(&all[..rest.len()]);
        }
    }

    /// Factors of the values of a group of counters.
    #[inline(always)]
    fn group(&self, stream: u64, group: u64, factors: &mut [f32; GROUP]) {
        let first = group * LANES as u64;
        for lane in 0..LANES {
            let counter = [first + lane as u64, first >> 32, stream, stream >> 32];
            let words = philox::<ROUNDS>(counter, self.seed);
            for (index, word) in words.into_iter().enumerate() {
                for (half, bits) in [word & 0xFFFF, word >> 16 & 0xFFFF].into_iter().enumerate() {
                    let factor = if bits < self.threshold { 0.0 } else { self.scale };
                    factors[(2 * index + half) * LANES + lane] = factor;
                }
            }
        }
    }
}

/// Philox4x32. Only the low 32 bits of each word count: a 64-bit product then takes one vector instruction.
#[inline(always)]
fn philox<const ROUNDS: u32>(counter: [u64; 4], key: u64) -> [u64; 4] {
    #[allow(clippy::cast_possible_truncation, reason = "the halves of the key")]
    let key = [key as u32, (key >> 32) as u32];
    let [mut a, mut b, mut c, mut d] = counter;
    for round in 0..ROUNDS {
        let of = |which: usize| u64::from(key[which].wrapping_add(INCREMENTS[which].wrapping_mul(round)));
        let (p, q) = ((a & LOW) * MULTIPLIERS[0], (c & LOW) * MULTIPLIERS[1]);
        (a, b, c, d) = (q >> 32 ^ b ^ of(0), q, p >> 32 ^ d ^ of(1), p);
    }
    [a, b, c, d]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bits, 1 for a value that is kept.
    fn kept(mask: &DropoutMask, stream: u64, count: usize) -> Vec<f64> {
        let mut factors = vec![0.0; count];
        mask.fill(stream, &mut factors);
        factors.iter().map(|factor| if *factor > 0.0 { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn philox_gives_the_known_answers_of_its_authors() {
        // Random123, `kat_vectors`.
        let pi = [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344];
        let low = |words: [u64; 4]| words.map(|word| word & LOW);
        let ones = [LOW; 4];
        assert_eq!(low(philox::<7>([0; 4], 0)), [0x5f6f_b709, 0x0d89_3f64, 0x4f12_1f81, 0x4f73_0a48]);
        assert_eq!(low(philox::<7>(ones, u64::MAX)), [0x5207_ddc2, 0x4516_5e59, 0x4d8e_e751, 0x8c52_f662]);
        let key = 0x299f_31d0_a409_3822;
        assert_eq!(low(philox::<7>(pi, key)), [0x4dfc_caba, 0x190a_87f0, 0xc473_62ba, 0xb6b5_242a]);
        assert_eq!(low(philox::<10>(pi, key)), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn the_share_of_kept_values_and_the_mean_are_those_asked_for() {
        for probability in [0.1, 0.2, 0.5, 0.9] {
            for seed in 0..4 {
                let mask = DropoutMask::new(probability, seed);
                let x = vec![1.0_f32; 200_000];
                let y = mask.apply(&x);
                let count = x.len() as f64;
                let share = y.iter().filter(|y| **y > 0.0).count() as f64 / count;
                let deviation = (probability * (1.0 - probability) / count).sqrt();
                assert!((share - (1.0 - probability)).abs() < 4.5 * deviation, "{probability}: {share}");
                let mean = y.iter().map(|y| f64::from(*y)).sum::<f64>() / count;
                assert!((mean - 1.0).abs() < 4.5 * deviation / (1.0 - probability), "{probability}: {mean}");
            }
        }
    }

    /// Chi-square statistic of pairs of bits, with one degree of freedom for independence.
    fn dependence(a: &[f64], b: &[f64]) -> f64 {
        let count = a.len().min(b.len()) as f64;
        let share = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
        let (p, q) = (share(a), share(b));
        let both = a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>() / count;
        count * (both - p * q).powi(2) / (p * (1.0 - p) * q * (1.0 - q))
    }

    #[test]
    fn neighbours_streams_and_seeds_are_independent() {
        // 30 exceeds a chi-square of one degree of freedom with a probability of 4e-8.
        for probability in [0.1, 0.5] {
            let mask = DropoutMask::new(probability, 7);
            let bits = kept(&mask, 0, 1 << 18);
            for distance in [1, 2, 3, 7, 8, 12, 16, 32, 48, 63, 64, 65, 128, 816, 1_024] {
                let found = dependence(&bits, &bits[distance..]);
                assert!(found < 30.0, "{probability} at a distance of {distance}: {found}");
            }
            for stream in [1, 2, 64, 1 << 32] {
                let found = dependence(&bits, &kept(&mask, stream, 1 << 18));
                assert!(found < 30.0, "{probability}, stream {stream}: {found}");
            }
            for seed in [6, 8, 7 << 32, 7 | 1 << 32] {
                let other = kept(&DropoutMask::new(probability, seed), 0, 1 << 18);
                let found = dependence(&bits, &other);
                assert!(found < 30.0, "{probability}, seed {seed}: {found}");
            }
            // Counts of kept values in windows are binomial: their variance is that of independent values.
            let window = 64;
            let counts: Vec<f64> = bits.chunks_exact(window).map(|bits| bits.iter().sum()).collect();
            let mean = window as f64 * (1.0 - probability);
            let square = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>();
            let ratio = square / (counts.len() as f64 * mean * probability);
            assert!((ratio - 1.0).abs() < 0.12, "{probability}: {ratio}");
        }
    }

    #[test]
    fn the_mask_depends_on_positions_alone() {
        let x: Vec<f32> = (0..5 * TASK + 77).map(|i| (i as f32 * 0.7).sin() + 2.0).collect();
        let mask = DropoutMask::new(0.3, 1 << 40 | 5);
        let run = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| mask.apply(&x))
        };
        let y = run(1);
        assert_eq!(y, run(3));
        // A shorter tensor has the first values of the same mask, and a gradient is dropped with its value.
        assert_eq!(y[..1_001], mask.apply(&x[..1_001]));
        let mut factors = vec![0.0; x.len()];
        mask.fill(0, &mut factors);
        assert_eq!(y, x.iter().zip(&factors).map(|(x, factor)| x * factor).collect::<Vec<_>>());
        assert_ne!(y, DropoutMask::new(0.3, 5).apply(&x));
    }

    #[test]
    fn probabilities_at_the_ends() {
        assert_eq!(DropoutMask::new(0.0, 3).apply(&[1.5, -2.0]), [1.5, -2.0]);
        assert!(DropoutMask::new(1.0, 3).apply(&[1.0; 64]).iter().all(|y| y.is_finite()));
    }
}
