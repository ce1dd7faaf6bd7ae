//! Random numbers of one suggestion.

use cupola_eval::draw;

/// Sequence of draws that depends on the seed, a purpose and the number of the trial alone.
#[derive(Debug, Clone)]
pub(crate) struct DrawStream {
    key: u64,
    position: u64,
}

impl DrawStream {
    /// Sequence of a purpose and a trial.
    pub fn new(seed: u64, purpose: u64, trial: u64) -> Self {
        Self { key: draw(draw(seed, purpose), trial), position: 0 }
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        let bits = draw(self.key, self.position);
        self.position += 1;
        bits
    }

    /// Number in `[0, 1)` with 53 bits of precision.
    pub fn unit(&mut self) -> f64 {
        (self.bits() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Index below `bound`.
    #[allow(clippy::cast_possible_truncation)]
    pub fn below(&mut self, bound: usize) -> usize {
        ((u128::from(self.bits()) * bound as u128) >> 64) as usize
    }

    /// Standard normal number (Box and Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let radius = (-2.0 * (1.0 - self.unit()).ln()).sqrt();
        radius * (std::f64::consts::TAU * self.unit()).cos()
    }
}
