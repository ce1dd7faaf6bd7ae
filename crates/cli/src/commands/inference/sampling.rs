//! Sampling options of the command line.

use anyhow::Result;
use cupola_runtime::{GenerationParams, OmittedOptions, Sampling};

use crate::args::SamplingArgs;
use crate::failure::UserError;

/// Temperature where neither the command line nor the model names one.
const TEMPERATURE: f64 = 0.8;

impl SamplingArgs {
    /// Parameters of a text of at most `tokens` tokens.
    pub(super) fn params(&self, tokens: u64) -> Result<GenerationParams> {
        let Self { temperature, top_k, top_p, seed } = *self;
        if let Some(temperature) = temperature.filter(|value| !value.is_finite() || *value < 0.0) {
            let message = format!("invalid --temperature {temperature}");
            return Err(UserError::new(message, "expected a number of at least 0").into());
        }
        if let Some(top_p) = top_p.filter(|value| !(0.0..=1.0).contains(value)) {
            let message = format!("invalid --top-p {top_p}");
            return Err(UserError::new(message, "expected a number between 0 and 1").into());
        }
        let omitted = OmittedOptions {
            max_tokens: false,
            temperature: temperature.is_none(),
            top_p: top_p.is_none(),
            top_k: top_k.is_none(),
        };
        let sampling = Sampling {
            temperature: temperature.unwrap_or(TEMPERATURE),
            top_k: top_k.unwrap_or(0),
            top_p: top_p.unwrap_or(1.0),
            seed,
        };
        Ok(GenerationParams { max_tokens: tokens, sampling, omitted, ..GenerationParams::default() })
    }
}
