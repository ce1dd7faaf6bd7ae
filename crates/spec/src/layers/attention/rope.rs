//! Rotary position embeddings (Su et al. 2021): pairs of values of a token are rotated by angles that grow
//! with its position.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Default base of the frequencies.
pub const ROPE_BASE: f64 = 10_000.0;

/// Scaling of the frequencies to lower ones, for texts that are longer than those of the training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum RopeScaling {
    /// All frequencies by one factor (Chen et al. 2023).
    Linear {
        /// Divisor of the frequencies.
        #[schemars(range(min = 1.0))]
        factor: f64,
    },
    /// Low frequencies by a factor, high ones unchanged, and a smooth transition between them (Grattafiori et
    /// al. 2024, Llama 3.1).
    Llama3 {
        /// Divisor of the low frequencies.
        #[schemars(range(min = 1.0))]
        factor: f64,
        /// Frequencies with fewer rotations than this within `length` are low.
        low: f64,
        /// Frequencies with more rotations than this within `length` are high.
        high: f64,
        /// Number of tokens of the texts in the original training.
        #[schemars(range(min = 1))]
        length: usize,
    },
    /// Low frequencies by a factor, high ones unchanged, by the place of the pair, and longer queries and keys (Peng
    /// et al. 2023, `YaRN`).
    Yarn {
        /// Divisor of the low frequencies.
        #[schemars(range(min = 1.0))]
        factor: f64,
        /// Pairs with more rotations than this within `length` are unchanged.
        fast: f64,
        /// Pairs with fewer rotations than this within `length` are divided.
        slow: f64,
        /// Number of tokens of the texts in the original training.
        #[schemars(range(min = 1))]
        length: usize,
        /// Factor of the rotated values.
        amplitude: f64,
        /// `true` if the ends of the transition are whole pairs.
        #[serde(default = "yes")]
        truncate: bool,
    },
    /// Each frequency by a factor of its own, and longer queries and keys (Ding et al. 2024, `LongRoPE`).
    Long {
        /// Divisor of each frequency, one for each rotated pair.
        factors: Vec<f64>,
        /// Factor of the rotated values.
        amplitude: f64,
    },
}

fn yes() -> bool {
    true
}

/// Rotary position embedding of an attention layer.
#[derive(Debug, Clone, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub base: f64,
    /// Scaling of the frequencies, if any.
    pub scaling: Option<RopeScaling>,
    /// Number of rotated values of a head; `None` for all.
    pub width: Option<usize>,
}

impl Rope {
    /// Rotation in radians from token to token for each of the pairs of a head of this width, half as many as there
    /// are rotated values.
    #[allow(clippy::cast_precision_loss, reason = "widths of heads are small")]
    pub fn frequencies(&self, head_width: usize) -> Vec<f64> {
        let width = self.width.unwrap_or(head_width).min(head_width);
        let plain = (0..width / 2).map(|pair| self.base.powf(-2.0 * pair as f64 / width as f64));
        match &self.scaling {
            None => plain.collect(),
            Some(RopeScaling::Long { factors, .. }) => {
                plain.zip(factors).map(|(frequency, factor)| frequency / factor).collect()
            }
            &Some(RopeScaling::Yarn { factor, fast, slow, length, truncate, .. }) => {
                let ramp = Ramp::new(self.base, width as f64, [fast, slow], (length, truncate));
                let share = plain.enumerate().map(|(pair, frequency)| (ramp.share(pair as f64), frequency));
                share
                    .map(|(share, frequency)| share * frequency / factor + (1.0 - share) * frequency)
                    .collect()
            }
            Some(scaling) => plain.map(|frequency| scaling.scaled(frequency)).collect(),
        }
    }

    /// Factor of the rotated values.
    pub fn amplitude(&self) -> f64 {
        match self.scaling {
            Some(RopeScaling::Yarn { amplitude, .. } | RopeScaling::Long { amplitude, .. }) => amplitude,
            _ => 1.0,
        }
    }
}

/// Transition of `YaRN` from unchanged pairs to divided ones (Peng et al. 2023, section 3.2).
struct Ramp {
    low: f64,
    high: f64,
}

impl Ramp {
    #[allow(clippy::cast_precision_loss, reason = "lengths of texts are small")]
    fn new(base: f64, width: f64, rotations: [f64; 2], (length, truncate): (usize, bool)) -> Self {
        let pair = |rotations: f64| width * (length as f64 / (rotations * 2.0 * PI)).ln() / (2.0 * base.ln());
        let [low, high] = rotations.map(pair);
        let [low, high] = if truncate { [low.floor(), high.ceil()] } else { [low, high] };
        let (low, high) = (low.max(0.0), high.min(width - 1.0));
        // As in transformers, where both ends may fall on one pair.
        let high = if (high - low).abs() < f64::EPSILON { low + 0.001 } else { high };
        Self { low, high }
    }

    /// Share of the division in a pair: 0 for unchanged pairs, 1 for divided ones.
    fn share(&self, pair: f64) -> f64 {
        ((pair - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }
}

impl RopeScaling {
    /// A scaled frequency. `YaRN` and `LongRoPE` scale by the place of a pair, which [`Rope::frequencies`] knows.
    pub fn scaled(&self, frequency: f64) -> f64 {
        match *self {
            Self::Yarn { .. } | Self::Long { .. } => frequency,
            Self::Linear { factor } => frequency / factor,
            Self::Llama3 { factor, low, high, length } => {
                #[allow(clippy::cast_precision_loss, reason = "lengths of texts are small")]
                let rotations = length as f64 * frequency / (2.0 * PI);
                if rotations < low {
                    frequency / factor
                } else if rotations > high {
                    frequency
                } else {
                    let share = (rotations - low) / (high - low);
                    (1.0 - share) * frequency / factor + share * frequency
                }
            }
        }
    }

    /// `true` if it makes frequencies lower: factors of at least 1, and `low` below `high`.
    pub fn is_valid(&self) -> bool {
        match *self {
            Self::Long { ref factors, amplitude } => {
                let positive = |number: f64| number.is_finite() && number > 0.0;
                !factors.is_empty() && factors.iter().copied().all(positive) && positive(amplitude)
            }
            Self::Linear { factor } => factor.is_finite() && factor >= 1.0,
            Self::Llama3 { factor, low, high, length } => {
                factor.is_finite()
                    && factor >= 1.0
                    && low > 0.0
                    && high > low
                    && high.is_finite()
                    && length > 0
            }
            Self::Yarn { factor, fast, slow, length, amplitude, .. } => {
                let numbers = [fast, slow, amplitude];
                factor.is_finite()
                    && factor >= 1.0
                    && numbers.iter().all(|number| number.is_finite() && *number > 0.0)
                    && fast >= slow
                    && length > 0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_frequencies_are_divided_and_high_ones_are_not() {
        let scaling = RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, length: 8_192 };
        let [plain, scaled] = [None, Some(scaling)]
            .map(|scaling| Rope { base: 500_000.0, scaling, width: None }.frequencies(128));
        assert!((plain[0] - scaled[0]).abs() < 1e-12);
        assert!((plain[63] / scaled[63] - 8.0).abs() < 1e-9);
        let ratios: Vec<f64> = plain.iter().zip(&scaled).map(|(a, b)| a / b).collect();
        assert!(ratios.windows(2).all(|pair| pair[0] <= pair[1]), "{ratios:?}");
        assert!(ratios.iter().any(|ratio| *ratio > 1.0 && *ratio < 8.0), "{ratios:?}");
        assert!(!RopeScaling::Linear { factor: 0.0 }.is_valid());
    }

    #[test]
    fn yarn_leaves_the_first_pairs_and_divides_the_last_and_a_part_of_a_head_has_its_own_frequencies() {
        let yarn = |truncate| RopeScaling::Yarn {
            factor: 4.0,
            fast: 32.0,
            slow: 1.0,
            length: 4_096,
            amplitude: 1.1,
            truncate,
        };
        let rope = Rope { base: 10_000.0, scaling: Some(yarn(true)), width: None };
        let (scaled, plain) =
            (rope.frequencies(128), Rope { scaling: None, ..rope.clone() }.frequencies(128));
        assert!((scaled[0] - plain[0]).abs() < 1e-15 && (plain[63] / scaled[63] - 4.0).abs() < 1e-12);
        // 128 * ln(4096 / (32 * 2 pi)) / (2 ln 10000) = 20.9 and 45.0 for one rotation.
        assert!((scaled[20] - plain[20]).abs() < 1e-15 && scaled[21] < plain[21]);
        assert!(plain[44] / scaled[44] < 4.0 && (plain[46] / scaled[46] - 4.0).abs() < 1e-12);
        assert!(yarn(false).is_valid() && (rope.amplitude() - 1.1).abs() < 1e-15);
        let partial = Rope { width: Some(32), scaling: None, ..rope };
        let whole = Rope { width: None, ..partial.clone() };
        assert_eq!(partial.frequencies(128), whole.frequencies(32));
        let factors = vec![1.0, 2.0, 4.0];
        let long = Rope { scaling: Some(RopeScaling::Long { factors, amplitude: 1.2 }), ..whole.clone() };
        let ratios =
            long.frequencies(6).iter().zip(whole.frequencies(6)).map(|(a, b)| b / a).collect::<Vec<_>>();
        assert!(
            ratios.iter().zip([1.0, 2.0, 4.0]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-12),
            "{ratios:?}"
        );
    }
}
