//! Reader of a model's folder as Hugging Face lays it out.

mod chat;
mod decoder;
mod encoder;
mod folder;
mod generation;
mod sentence;
mod tokenizer;

use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::families::{HuggingFaceConfig, check_keys};
use crate::model::ImportedModel;

use self::folder::ModelFolder;
use self::sentence::{SentenceModules, SentencePrompts};

pub use self::decoder::TextDecoder;

/// A folder whose configuration has been checked.
struct CheckedFolder {
    /// Folder of the transformer.
    folder: ModelFolder,
    config: HuggingFaceConfig,
    /// `config.json` as it is.
    values: Value,
    /// Modules of sentence-transformers; `None` for a folder without `modules.json`.
    modules: Option<SentenceModules>,
}

/// Reads a folder with `config.json`, `model.safetensors` (or its shards) and a tokenizer. `max_length` limits the
/// tokens of a text; without it, an encoder takes as many as the folder says, a decoder up to 2048.
///
/// # Errors
/// Missing or invalid files, and files and keys that ask for something that is not done.
pub fn from_hugging_face(folder: &Path, max_length: Option<usize>) -> Result<ImportedModel, Error> {
    let root = ModelFolder::new(folder);
    let modules = SentenceModules::read(&root)?;
    let prompts = SentencePrompts::read(&root)?;
    let own = modules.as_ref().map(|modules| modules.transformer.clone());
    let checked = CheckedFolder::read(own.unwrap_or(root), modules)?;
    if checked.modules.is_none() && checked.config.is_decoder() {
        decoder::convert(&checked, max_length)
    } else {
        encoder::convert(&checked, max_length, prompts)
    }
}

impl CheckedFolder {
    fn read(folder: ModelFolder, modules: Option<SentenceModules>) -> Result<Self, Error> {
        let file = "config.json";
        let values: Value = folder.required(file)?;
        check_keys(&values)?;
        let config = folder.parse(file, &values)?;
        let code = values.get("auto_map").and_then(Value::as_object);
        if modules.is_some() && code.is_some_and(|code| code.keys().any(|key| key.starts_with("AutoModel"))) {
            let remedy = "its own code may compute something else; import a model without code";
            return Err(Error::unsupported_key(file, "auto_map", &values["auto_map"].to_string(), remedy));
        }
        // transformers loads an adapter that lies beside a model.
        if folder.has("adapter_config.json") {
            let remedy = "merge it with `merge_and_unload()` of PEFT and save the model";
            let name = folder.name("adapter_config.json");
            return Err(Error::invalid_file(&name, "adapters are not merged", remedy));
        }
        Ok(Self { folder, config, values, modules })
    }

    /// Value of `model_type`.
    fn model_type(&self) -> &str {
        self.values.get("model_type").and_then(Value::as_str).unwrap_or_default()
    }

    /// First of `architectures`; `None` if the file names none.
    fn class(&self) -> Option<&str> {
        self.values.get("architectures")?.get(0)?.as_str()
    }

    /// Refuses a class that ends in none of these.
    fn check_class(&self, endings: &[&str]) -> Result<(), Error> {
        let Some(class) = self.class() else { return Ok(()) };
        if endings.iter().any(|ending| class.ends_with(ending)) {
            return Ok(());
        }
        let remedy = format!("expected a class that ends in {}", endings.join(" or "));
        Err(Error::unsupported_key("config.json", "architectures", &format!("`{class}`"), &remedy))
    }
}

#[cfg(test)]
mod tests;
