//! Text that sentence-transformers puts before every text.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::pooling;
use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;

const FILE: &str = "config_sentence_transformers.json";

/// `config_sentence_transformers.json`. The similarity has no effect on a vector.
#[derive(Default, Deserialize)]
struct SentenceConfig {
    #[serde(default)]
    model_type: Option<String>,
    #[serde(default)]
    prompts: Option<BTreeMap<String, Option<String>>>,
    #[serde(default)]
    default_prompt_name: Option<String>,
    #[serde(default)]
    truncate_dim: Option<Value>,
}

/// Prompt of every text, empty without one. Prompts that a caller has to name have no effect.
///
/// # Errors
/// [`Error::UnsupportedKey`] for an unknown prompt, and for settings that are not obeyed.
pub fn default_prompt(folder: &ModelFolder) -> Result<String, Error> {
    let Some(config) = folder.optional::<SentenceConfig>(FILE)? else { return Ok(String::new()) };
    let file = folder.name(FILE);
    if let Some(kind) = config.model_type.filter(|kind| kind != "SentenceTransformer") {
        let remedy = "expected `SentenceTransformer`";
        return Err(Error::unsupported_key(&file, "model_type", &kind, remedy));
    }
    if let Some(width) = config.truncate_dim.filter(|width| !width.is_null()) {
        let remedy = "save the model without it";
        return Err(Error::unsupported_key(&file, "truncate_dim", &width.to_string(), remedy));
    }
    let Some(name) = config.default_prompt_name else { return Ok(String::new()) };
    let Some(prompt) = config.prompts.unwrap_or_default().remove(&name) else {
        let remedy = "expected a name in `prompts`";
        return Err(Error::unsupported_key(&file, "default_prompt_name", &name, remedy));
    };
    let prompt = prompt.unwrap_or_default();
    let pooling = folder.child("1_Pooling", FILE)?;
    if !prompt.is_empty() && pooling::leaves_prompt_out(&pooling)? {
        let remedy = "the default prompt would have to be left out of the pooling; remove it";
        return Err(Error::unsupported_key(&pooling.name("config.json"), "include_prompt", "false", remedy));
    }
    Ok(prompt)
}
