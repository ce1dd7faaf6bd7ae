//! Rotary position embeddings (Su et al. 2021): pairs of values of a token are rotated by angles that grow
//! with its position.

use std::f64::consts::PI;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Default base of the frequencies.
pub const ROPE_BASE: f64 = 10_000.0;

/// Scaling of the frequencies to lower ones, for texts that are longer than those of the training.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
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
}

/// Rotary position embedding of an attention layer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rope {
    /// Base of the frequencies.
    pub base: f64,
    /// Scaling of the frequencies, if any.
    pub scaling: Option<RopeScaling>,
}

impl Rope {
    /// Rotation in radians from token to token for each of the `width / 2` pairs of a head.
    pub fn frequencies(&self, width: usize) -> Vec<f64> {
        #[allow(clippy::cast_precision_loss, reason = "widths of heads are small")]
        let plain = (0..width / 2).map(|pair| self.base.powf(-2.0 * pair as f64 / width as f64));
        plain.map(|frequency| self.scaling.map_or(frequency, |scaling| scaling.scaled(frequency))).collect()
    }
}

impl RopeScaling {
    /// A scaled frequency.
    pub fn scaled(self, frequency: f64) -> f64 {
        match self {
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
    pub fn is_valid(self) -> bool {
        match self {
            Self::Linear { factor } => factor.is_finite() && factor >= 1.0,
            Self::Llama3 { factor, low, high, length } => {
                factor.is_finite()
                    && factor >= 1.0
                    && low > 0.0
                    && high > low
                    && high.is_finite()
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
        let [plain, scaled] =
            [None, Some(scaling)].map(|scaling| Rope { base: 500_000.0, scaling }.frequencies(128));
        assert!((plain[0] - scaled[0]).abs() < 1e-12);
        assert!((plain[63] / scaled[63] - 8.0).abs() < 1e-9);
        let ratios: Vec<f64> = plain.iter().zip(&scaled).map(|(a, b)| a / b).collect();
        assert!(ratios.windows(2).all(|pair| pair[0] <= pair[1]), "{ratios:?}");
        assert!(ratios.iter().any(|ratio| *ratio > 1.0 && *ratio < 8.0), "{ratios:?}");
        assert!(!RopeScaling::Linear { factor: 0.0 }.is_valid());
    }
}
