//! Rotary positions of a decoder's configuration.

use cupola_spec::{ROPE_BASE, Rope, RopeScaling};
use serde::{Deserialize, Serialize};

use super::{LlamaConfig, LlamaVariant};
use crate::error::Error;

/// Base of the global blocks of Gemma 3.
const GEMMA3_BASE: f64 = 1e6;
/// Rotations of `YaRN`'s transition, where the file names no others (Peng et al. 2023, section 3.2).
const YARN_ROTATIONS: [f64; 2] = [32.0, 1.0];

/// Parameters of rotary positions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct RopeParameters {
    #[serde(default)]
    pub rope_type: Option<String>,
    /// Name of `rope_type` in older files.
    #[serde(default, rename = "type")]
    pub kind: Option<String>,
    #[serde(default)]
    pub rope_theta: Option<f64>,
    #[serde(default)]
    pub partial_rotary_factor: Option<f64>,
    #[serde(default)]
    pub factor: Option<f64>,
    #[serde(default)]
    pub low_freq_factor: Option<f64>,
    #[serde(default)]
    pub high_freq_factor: Option<f64>,
    #[serde(default)]
    pub original_max_position_embeddings: Option<usize>,
    #[serde(default)]
    pub attention_factor: Option<f64>,
    #[serde(default)]
    pub mscale: Option<f64>,
    #[serde(default)]
    pub mscale_all_dim: Option<f64>,
    #[serde(default)]
    pub beta_fast: Option<f64>,
    #[serde(default)]
    pub beta_slow: Option<f64>,
    #[serde(default)]
    pub truncate: Option<bool>,
    /// Divisors of the frequencies for texts of the original length.
    #[serde(default)]
    pub short_factor: Option<Vec<f64>>,
}

/// Parameters of all blocks, or of each of the two kinds of blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
#[allow(missing_docs)]
pub enum RopeSettings {
    /// Parameters by the kind of the block.
    Each { full_attention: Box<RopeParameters>, sliding_attention: Box<RopeParameters> },
    /// The same parameters in all blocks.
    All(Box<RopeParameters>),
}

impl RopeParameters {
    /// Kind of the scaling.
    pub(in crate::families) fn kind(&self) -> &str {
        self.rope_type.as_deref().or(self.kind.as_deref()).unwrap_or("default")
    }

    /// Scaling of the frequencies, for texts of up to `longest` tokens; `None` without.
    ///
    /// # Errors
    /// [`Error::UnsupportedKey`] for a kind that no layer provides, and for parameters that are missing or invalid.
    fn scaling(&self, config: &LlamaConfig, longest: usize) -> Result<Option<RopeScaling>, Error> {
        let length = config.original_max_position_embeddings.or(self.original_max_position_embeddings);
        let length = length.unwrap_or(config.max_position_embeddings);
        // Old files of Phi-3 have other names for it.
        let long = self.kind() == "su" || (self.kind() == "yarn" && self.short_factor.is_some());
        let kind = if long { "longrope" } else { self.kind() };
        let scaling = match kind {
            "default" | "none" => return Ok(None),
            // The base grows with texts beyond `max_position_embeddings`, which are not taken.
            "dynamic" => return self.factor.map(|_| None).ok_or_else(|| self.refused("needs a `factor`")),
            "linear" => self.factor.map(|factor| RopeScaling::Linear { factor }),
            "llama3" => self.llama3(length),
            "yarn" => Some(self.yarn(length, config.max_position_embeddings)),
            // Beyond the original length, transformers takes other frequencies for the whole text.
            "longrope" if longest > length => {
                let remedy = format!("import it with --length {length} or less");
                return Err(self.refused(&remedy));
            }
            "longrope" => self.long(length, config.max_position_embeddings),
            _ => {
                let remedy = "expected `default`, `linear`, `dynamic`, `llama3`, `yarn` or `longrope`";
                return Err(self.refused(remedy));
            }
        };
        let remedy = "its parameters are missing or invalid; take config.json from the model's source";
        scaling.filter(RopeScaling::is_valid).map(Some).ok_or_else(|| self.refused(remedy))
    }

    fn llama3(&self, length: usize) -> Option<RopeScaling> {
        // transformers takes the length from the model where it is missing; the published files have it.
        self.original_max_position_embeddings?;
        Some(RopeScaling::Llama3 {
            factor: self.factor?,
            low: self.low_freq_factor?,
            high: self.high_freq_factor?,
            length,
        })
    }

    #[allow(clippy::cast_precision_loss, reason = "lengths of texts are small")]
    fn yarn(&self, length: usize, most: usize) -> RopeScaling {
        let factor = self.factor.unwrap_or(most as f64 / length.max(1) as f64);
        let mscale = |scale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * scale * factor.ln() + 1.0 };
        let given = |number: Option<f64>| number.filter(|number| *number != 0.0);
        let amplitude =
            self.attention_factor.unwrap_or_else(|| match (given(self.mscale), given(self.mscale_all_dim)) {
                (Some(own), Some(all)) => mscale(own) / mscale(all),
                _ => mscale(1.0),
            });
        RopeScaling::Yarn {
            factor,
            fast: given(self.beta_fast).unwrap_or(YARN_ROTATIONS[0]),
            slow: given(self.beta_slow).unwrap_or(YARN_ROTATIONS[1]),
            length,
            amplitude,
            truncate: self.truncate.unwrap_or(true),
        }
    }

    #[allow(clippy::cast_precision_loss, reason = "lengths of texts are small")]
    fn long(&self, length: usize, most: usize) -> Option<RopeScaling> {
        let factor = self.factor.unwrap_or(most as f64 / length.max(1) as f64);
        let amplitude = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / (length as f64).ln()).sqrt() };
        let amplitude = self.attention_factor.unwrap_or(amplitude);
        Some(RopeScaling::Long { factors: self.short_factor.clone()?, amplitude })
    }

    fn refused(&self, remedy: &str) -> Error {
        Error::unsupported_key("config.json", "rope_scaling", &format!("type `{}`", self.kind()), remedy)
    }
}

impl LlamaConfig {
    /// Rotary positions of the blocks with a sliding window, and of the others, for texts of up to `longest` tokens.
    pub(super) fn ropes(
        &self,
        variant: LlamaVariant,
        head_width: usize,
        longest: usize,
    ) -> Result<[Rope; 2], Error> {
        let default = RopeParameters::default();
        let (local, global) = match (&self.rope_parameters, &self.rope_scaling) {
            (Some(RopeSettings::Each { full_attention, sliding_attention }), _) => {
                (sliding_attention.as_ref(), full_attention.as_ref())
            }
            // A scaling of Gemma 3 holds for the global blocks alone.
            (_, Some(rope)) if variant == LlamaVariant::Gemma3 => (&default, rope),
            (Some(RopeSettings::All(rope)), None) if variant == LlamaVariant::Gemma3 => {
                (&default, rope.as_ref())
            }
            (Some(RopeSettings::All(rope)), None) => (rope.as_ref(), rope.as_ref()),
            (_, Some(rope)) => (rope, rope),
            (None, None) => (&default, &default),
        };
        let gemma3 = variant == LlamaVariant::Gemma3;
        let own = match &self.rope_parameters {
            Some(RopeSettings::All(rope)) => rope.rope_theta,
            _ => None,
        };
        let base = own.or(self.rope_theta).unwrap_or(if gemma3 { GEMMA3_BASE } else { ROPE_BASE });
        let local_base = if gemma3 { self.rope_local_base_freq.unwrap_or(ROPE_BASE) } else { base };
        let width = self.rotated_width(global, variant, head_width)?;
        let rope = |rope: &RopeParameters, base: f64| {
            let base = rope.rope_theta.unwrap_or(base);
            if base.is_finite() && base > 1.0 {
                return Ok(Rope { base, scaling: rope.scaling(self, longest)?, width });
            }
            let remedy = "expected a number above 1";
            Err(Error::unsupported_key("config.json", "rope_theta", &base.to_string(), remedy))
        };
        Ok([rope(local, local_base)?, rope(global, base)?])
    }

    /// Number of rotated values of a head; `None` for all.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn rotated_width(
        &self,
        rope: &RopeParameters,
        variant: LlamaVariant,
        head_width: usize,
    ) -> Result<Option<usize>, Error> {
        let share = rope.partial_rotary_factor.or(self.partial_rotary_factor).unwrap_or(1.0);
        if (share - 1.0).abs() < f64::EPSILON {
            return Ok(None);
        }
        // Other models do not rotate a part of a head in transformers.
        if variant != LlamaVariant::Phi3 || !(0.0..1.0).contains(&share) {
            let remedy = "expected 1, or a share of a head for `phi3`";
            let found = share.to_string();
            return Err(Error::unsupported_key("config.json", "partial_rotary_factor", &found, remedy));
        }
        Ok(Some((head_width as f64 * share) as usize))
    }
}
