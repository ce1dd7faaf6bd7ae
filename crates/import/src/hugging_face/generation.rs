//! `generation_config.json`: end tokens and the options of a generation.

use cupola_prep::GenerationDefaults;
use serde_json::{Map, Value};

use super::folder::ModelFolder;
use crate::error::Error;

const FILE: &str = "generation_config.json";
/// Largest temperature and repetition penalty.
const MAX_FACTOR: f64 = 100.0;
/// Largest number of suppressed tokens.
const MAX_SUPPRESSED: usize = 1 << 16;

/// Options that change the text and are not obeyed, with the value that asks for nothing beside null, false, zero and
/// empty lists.
const REFUSED: [(&str, f64); 26] = [
    ("num_beams", 1.0),
    ("num_beam_groups", 1.0),
    ("penalty_alpha", 0.0),
    ("dola_layers", 0.0),
    ("diversity_penalty", 0.0),
    ("encoder_repetition_penalty", 1.0),
    ("no_repeat_ngram_size", 0.0),
    ("encoder_no_repeat_ngram_size", 0.0),
    ("min_length", 0.0),
    ("min_new_tokens", 0.0),
    ("min_p", 0.0),
    ("top_h", 0.0),
    ("typical_p", 1.0),
    ("epsilon_cutoff", 0.0),
    ("eta_cutoff", 0.0),
    ("guidance_scale", 1.0),
    ("forced_bos_token_id", 0.0),
    ("forced_eos_token_id", 0.0),
    ("forced_decoder_ids", 0.0),
    ("force_words_ids", 0.0),
    ("constraints", 0.0),
    ("begin_suppress_tokens", 0.0),
    ("sequence_bias", 0.0),
    ("exponential_decay_length_penalty", 0.0),
    ("watermarking_config", 0.0),
    ("token_healing", 0.0),
];
/// Keys among them whose number is a token, so that zero asks for something.
const TOKENS: [&str; 2] = ["forced_bos_token_id", "forced_eos_token_id"];

/// End tokens and options of a folder.
pub(super) struct GenerationConfig {
    /// Indices of the tokens that end a text, padding counted.
    pub end_tokens: Vec<u32>,
    pub defaults: GenerationDefaults,
}

impl GenerationConfig {
    /// Reads `generation_config.json`. End tokens that it does not name are taken from `config.json`.
    ///
    /// # Errors
    /// [`Error::UnsupportedKey`] for options that are invalid or change the text and are not obeyed.
    pub(super) fn read(folder: &ModelFolder, config: &Value) -> Result<Self, Error> {
        let values: Map<String, Value> = folder.optional(FILE)?.unwrap_or_default();
        let options = Options { file: folder.name(FILE), values };
        options.check()?;
        let ends = options.values.get("eos_token_id").filter(|ends| !ends.is_null());
        let ends = if let Some(ends) = ends {
            options.token_ids("eos_token_id", ends)?
        } else {
            let ends = config.get("eos_token_id").unwrap_or(&Value::Null);
            Options { file: folder.name("config.json"), values: Map::new() }
                .token_ids("eos_token_id", ends)?
        };
        Ok(Self { end_tokens: ends, defaults: options.defaults()? })
    }
}

/// The file and its values.
struct Options {
    file: String,
    values: Map<String, Value>,
}

impl Options {
    fn check(&self) -> Result<(), Error> {
        for (key, neutral) in REFUSED {
            let Some(value) = self.values.get(key) else { continue };
            let asks = match value {
                Value::Null | Value::Bool(false) => false,
                Value::Number(number) => {
                    TOKENS.contains(&key) || ![Some(neutral), Some(0.0)].contains(&number.as_f64())
                }
                Value::Array(values) => !values.is_empty(),
                Value::Object(values) => !values.is_empty(),
                Value::Bool(true) | Value::String(_) => true,
            };
            if asks {
                return Err(self.refused(key, value, "remove the key to generate text without it"));
            }
        }
        Ok(())
    }

    fn refused(&self, key: &str, value: &Value, remedy: &str) -> Error {
        Error::unsupported_key(&self.file, key, &value.to_string(), remedy)
    }

    /// A number within `range`; `None` if the key is missing or null.
    fn number(&self, key: &str, [low, high]: [f64; 2]) -> Result<Option<f64>, Error> {
        let Some(value) = self.values.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
        let number = value.as_f64().filter(|number| (low..=high).contains(number));
        let remedy = format!("expected a number from {low} to {high}");
        number.map(Some).ok_or_else(|| self.refused(key, value, &remedy))
    }

    /// A count; `None` if the key is missing or null.
    fn count(&self, key: &str) -> Result<Option<u64>, Error> {
        let Some(value) = self.values.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
        value.as_u64().map(Some).ok_or_else(|| self.refused(key, value, "expected a whole number"))
    }

    fn defaults(&self) -> Result<GenerationDefaults, Error> {
        let greedy = self.values.get("do_sample") == Some(&Value::Bool(false));
        let temperature = self.number("temperature", [0.0, MAX_FACTOR])?;
        let top_k = self.count("top_k")?.and_then(|count| usize::try_from(count).ok());
        Ok(GenerationDefaults {
            temperature: if greedy { Some(0.0) } else { temperature },
            top_p: self.number("top_p", [0.0, 1.0])?,
            top_k,
            repetition_penalty: self
                .number("repetition_penalty", [1.0 / MAX_FACTOR, MAX_FACTOR])?
                .filter(|penalty| (penalty - 1.0).abs() > f64::EPSILON),
            max_tokens: self.count("max_new_tokens")?.filter(|count| *count > 0),
            suppressed: self.suppressed()?,
            stop: self.stop()?,
        })
    }

    /// Tokens of `suppress_tokens`, and the words of one token of `bad_words_ids`.
    fn suppressed(&self) -> Result<Vec<u32>, Error> {
        let null = Value::Null;
        let value = |key: &str| self.values.get(key).unwrap_or(&null);
        let mut tokens = self.token_ids("suppress_tokens", value("suppress_tokens"))?;
        let words = value("bad_words_ids");
        for word in words.as_array().into_iter().flatten() {
            if let Some([_]) = word.as_array().map(Vec::as_slice) {
                tokens.extend(self.token_ids("bad_words_ids", word)?);
            } else {
                let remedy = "only words of one token are left out; remove the longer ones";
                return Err(self.refused("bad_words_ids", words, remedy));
            }
        }
        if tokens.len() > MAX_SUPPRESSED {
            return Err(self.refused("suppress_tokens", &tokens.len().into(), "expected at most 65536"));
        }
        tokens.sort_unstable();
        tokens.dedup();
        Ok(tokens)
    }

    fn stop(&self) -> Result<Vec<String>, Error> {
        let key = "stop_strings";
        let text = |value: &Value| value.as_str().map(str::to_owned);
        match self.values.get(key) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::String(stop)) => Ok(vec![stop.clone()]),
            Some(value) => {
                let texts: Option<Vec<String>> =
                    value.as_array().and_then(|texts| texts.iter().map(text).collect());
                texts.ok_or_else(|| self.refused(key, value, "expected texts"))
            }
        }
    }

    /// Indices of a token id or of a list of them, padding counted.
    fn token_ids(&self, key: &str, value: &Value) -> Result<Vec<u32>, Error> {
        let id = |value: &Value| u32::try_from(value.as_u64()?).ok()?.checked_add(1);
        let ids: Option<Vec<u32>> = match value {
            Value::Null => Some(Vec::new()),
            Value::Array(ids) => ids.iter().map(id).collect(),
            one => id(one).map(|id| vec![id]),
        };
        ids.ok_or_else(|| self.refused(key, value, "expected token ids"))
    }
}
