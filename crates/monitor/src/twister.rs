//! Mersenne Twister, with the seeding of Python and of `NumPy`'s `RandomState`, so that draws equal theirs.

use serde::{Deserialize, Serialize};

const WORDS: usize = 624;
const SHIFT: usize = 397;

/// MT19937 (Matsumoto and Nishimura 1998).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MersenneTwister {
    words: Vec<u32>,
    next: usize,
}

impl MersenneTwister {
    /// State of `numpy.random.RandomState(seed)`.
    pub fn of_numpy(seed: u32) -> Self {
        let mut words = vec![seed];
        for index in 1..WORDS {
            let before = words[index - 1];
            let index = u32::try_from(index).unwrap_or_default();
            words.push(1_812_433_253_u32.wrapping_mul(before ^ (before >> 30)).wrapping_add(index));
        }
        Self { words, next: WORDS }
    }

    /// State of Python's `random.Random(seed)`.
    pub fn of_python(seed: u32) -> Self {
        // `init_by_array` with a key of one word.
        let mut own = Self::of_numpy(19_650_218);
        let words = &mut own.words;
        let mixed = |words: &[u32], at: usize| words[at - 1] ^ (words[at - 1] >> 30);
        let mut at = 1;
        for _ in 0..WORDS {
            words[at] = (words[at] ^ mixed(words, at).wrapping_mul(1_664_525)).wrapping_add(seed);
            at += 1;
            if at == WORDS {
                (words[0], at) = (words[WORDS - 1], 1);
            }
        }
        for _ in 1..WORDS {
            let index = u32::try_from(at).unwrap_or_default();
            words[at] = (words[at] ^ mixed(words, at).wrapping_mul(1_566_083_941)).wrapping_sub(index);
            at += 1;
            if at == WORDS {
                (words[0], at) = (words[WORDS - 1], 1);
            }
        }
        words[0] = 0x8000_0000;
        own
    }

    /// Next 32 bits.
    pub fn word(&mut self) -> u32 {
        if self.next >= WORDS {
            self.twist();
        }
        let mut y = self.words[self.next];
        self.next += 1;
        y ^= y >> 11;
        y ^= (y << 7) & 0x9d2c_5680;
        y ^= (y << 15) & 0xefc6_0000;
        y ^ (y >> 18)
    }

    fn twist(&mut self) {
        for at in 0..WORDS {
            let y = (self.words[at] & 0x8000_0000) | (self.words[(at + 1) % WORDS] & 0x7fff_ffff);
            let odd = if y & 1 == 1 { 0x9908_b0df } else { 0 };
            self.words[at] = self.words[(at + SHIFT) % WORDS] ^ (y >> 1) ^ odd;
        }
        self.next = 0;
    }

    /// Number below `n`, as Python's `randrange(n)`; 0 for `n = 0`.
    pub fn python_below(&mut self, n: u32) -> u32 {
        let bits = 32 - n.leading_zeros();
        if bits == 0 {
            return 0;
        }
        loop {
            let value = self.word() >> (32 - bits);
            if value < n {
                return value;
            }
        }
    }

    /// Number of 0 to `most`, as `NumPy`'s legacy `random_interval`.
    pub fn numpy_up_to(&mut self, most: u32) -> u32 {
        if most == 0 {
            return 0;
        }
        let mask = u32::MAX >> most.leading_zeros();
        loop {
            let value = self.word() & mask;
            if value <= most {
                return value;
            }
        }
    }

    /// Number from 0 to below 1 with 53 random bits, as `RandomState.rand`.
    pub fn numpy_unit(&mut self) -> f64 {
        let (high, low) = (self.word() >> 5, self.word() >> 6);
        (f64::from(high) * 67_108_864.0 + f64::from(low)) / 9_007_199_254_740_992.0
    }

    /// Shuffles as `RandomState.shuffle`.
    pub fn numpy_shuffle<T>(&mut self, values: &mut [T]) {
        for last in (1..values.len()).rev() {
            let at = self.numpy_up_to(u32::try_from(last).unwrap_or(u32::MAX));
            values.swap(last, at as usize);
        }
    }

    /// `size` of the numbers below `n` without repetition, as Python's `random.sample(range(n), size)`.
    pub fn python_sample(&mut self, n: u32, size: u32) -> Vec<u32> {
        let size = size.min(n);
        // Python picks from a list where a set would be larger: 21 + 4^ceil(log4(3 * size)) entries.
        let mut set = 21_u64;
        if size > 5 {
            let mut power = 1_u64;
            while power < 3 * u64::from(size) {
                power *= 4;
            }
            set += power;
        }
        if u64::from(n) <= set {
            let mut pool: Vec<u32> = (0..n).collect();
            let draw = |taken: u32| {
                let left = n - taken;
                let at = self.python_below(left) as usize;
                let picked = pool[at];
                pool[at] = pool[left as usize - 1];
                picked
            };
            return (0..size).map(draw).collect();
        }
        let mut picked = indexmap::IndexSet::new();
        while picked.len() < size as usize {
            picked.insert(self.python_below(n));
        }
        picked.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_equal_those_of_python_and_numpy() {
        // random.Random(7).getrandbits(32) twice; sample(range(70), 8) and sample(range(1000), 6).
        let mut python = MersenneTwister::of_python(7);
        assert_eq!([python.word(), python.word()], [1_390_851_128, 4_071_050_724]);
        assert_eq!(MersenneTwister::of_python(7).python_sample(70, 8), [41, 19, 50, 6, 9, 12, 46, 37]);
        assert_eq!(MersenneTwister::of_python(7).python_sample(1000, 6), [331, 970, 154, 404, 666, 49]);
        // numpy.random.RandomState(42).permutation(10)
        let mut order: Vec<u32> = (0..10).collect();
        MersenneTwister::of_numpy(42).numpy_shuffle(&mut order);
        assert_eq!(order, [8, 1, 5, 0, 7, 2, 9, 4, 3, 6]);
        // numpy.random.RandomState(42).rand()
        let unit = MersenneTwister::of_numpy(42).numpy_unit();
        assert!((unit - 0.374_540_118_847_362_5).abs() < 1e-16);
    }
}
