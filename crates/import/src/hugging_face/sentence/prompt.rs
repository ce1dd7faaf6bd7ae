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

/// Prompts of a folder.
#[derive(Debug, Default)]
pub struct SentencePrompts {
    /// Text before every text, empty without one.
    pub default: String,
    /// Remark on prompts that a caller has to name, which have no effect.
    pub note: Option<String>,
}

impl SentencePrompts {
    /// Reads the prompts of a folder.
    ///
    /// # Errors
    /// [`Error::UnsupportedKey`] for an unknown prompt, and for settings that are not obeyed.
    pub fn read(folder: &ModelFolder) -> Result<Self, Error> {
        let Some(config) = folder.optional::<SentenceConfig>(FILE)? else { return Ok(Self::default()) };
        let file = folder.name(FILE);
        if let Some(kind) = config.model_type.filter(|kind| kind != "SentenceTransformer") {
            let remedy = "expected `SentenceTransformer`";
            return Err(Error::unsupported_key(&file, "model_type", &kind, remedy));
        }
        if let Some(width) = config.truncate_dim.filter(|width| !width.is_null()) {
            let remedy = "save the model without it";
            return Err(Error::unsupported_key(&file, "truncate_dim", &width.to_string(), remedy));
        }
        let mut prompts = config.prompts.unwrap_or_default();
        let Some(name) = config.default_prompt_name else {
            return Ok(Self { default: String::new(), note: note(&prompts) });
        };
        let Some(prompt) = prompts.remove(&name) else {
            let remedy = "expected a name in `prompts`";
            return Err(Error::unsupported_key(&file, "default_prompt_name", &name, remedy));
        };
        let default = prompt.unwrap_or_default();
        let pooling = folder.child("1_Pooling", FILE)?;
        if !default.is_empty() && pooling::leaves_prompt_out(&pooling)? {
            let file = pooling.name("config.json");
            let remedy = "the default prompt would have to be left out of the pooling; remove it";
            return Err(Error::unsupported_key(&file, "include_prompt", "false", remedy));
        }
        Ok(Self { default, note: note(&prompts) })
    }
}

/// Remark on prompts that are not put before a text; `None` without such prompts.
fn note(prompts: &BTreeMap<String, Option<String>>) -> Option<String> {
    let named = prompts.iter().filter(|(_, prompt)| prompt.as_ref().is_some_and(|prompt| !prompt.is_empty()));
    let names: Vec<String> = named.map(|(name, _)| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "the prompts {} are put before no text; write them at the start of your texts",
            names.join(", ")
        )
    })
}
