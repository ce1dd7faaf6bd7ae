//! Modules of sentence-transformers: the transformer, its pooling and the layers behind it.

mod modules;
mod pooling;
mod prompt;

use serde::Deserialize;
use serde_json::Value;

use super::folder::ModelFolder;
use crate::error::Error;
use crate::families::EmbeddingHead;

pub use self::prompt::SentencePrompts;

/// Names of the transformer's own settings, the present one first and those of older versions.
const SETTINGS: [&str; 7] = [
    "sentence_bert_config.json",
    "sentence_roberta_config.json",
    "sentence_distilbert_config.json",
    "sentence_camembert_config.json",
    "sentence_albert_config.json",
    "sentence_xlm-roberta_config.json",
    "sentence_xlnet_config.json",
];
/// Settings that have no effect on texts at inference, or are obeyed.
const HARMLESS: [&str; 9] = [
    "max_seq_length",
    "do_lower_case",
    "model_args",
    "config_args",
    "tokenizer_args",
    "cache_dir",
    "unpad_inputs",
    "model_kwargs",
    "transformer_task",
];

/// Modules of a folder.
const MAX_MODULES: usize = 64;

/// Entry of `modules.json`.
#[derive(Deserialize)]
struct ModuleEntry {
    #[serde(default)]
    path: String,
    #[serde(rename = "type")]
    kind: String,
}

/// The transformer's own settings.
#[derive(Debug, Default, PartialEq)]
pub struct SentenceSettings {
    /// Maximum number of tokens; `None` for the model's own.
    pub max_length: Option<usize>,
    /// `true` if texts are lowercased before the tokenizer.
    pub lowercase: bool,
}

/// Modules that the folder declares.
pub struct SentenceModules {
    /// Folder of the transformer.
    pub transformer: ModelFolder,
    /// Pooling and further layers, once the width of a token is known.
    entries: Vec<(String, ModelFolder)>,
}

impl SentenceModules {
    /// Reads `modules.json`; `None` if the folder has none.
    ///
    /// # Errors
    /// [`Error::Module`] for a module of an unknown kind, [`Error::Modules`] for modules that make no vector.
    pub fn read(folder: &ModelFolder) -> Result<Option<Self>, Error> {
        let file = "modules.json";
        let Some(entries) = folder.optional::<Vec<ModuleEntry>>(file)? else { return Ok(None) };
        if entries.len() > MAX_MODULES {
            let why = format!("there are {} modules, at most {MAX_MODULES} are supported", entries.len());
            return Err(Error::Modules { why });
        }
        let mut all = Vec::with_capacity(entries.len());
        for ModuleEntry { path, kind } in entries {
            // Only the class counts: its package has moved between versions.
            let class = kind.rsplit('.').next().unwrap_or_default().to_owned();
            if !modules::KINDS.contains(&class.as_str()) || !kind.starts_with("sentence_transformers.") {
                return Err(Error::Module { kind });
            }
            all.push((class, folder.child(&path, file)?));
        }
        let mut entries = all.into_iter();
        let transformer = match entries.next() {
            Some((class, transformer)) if class == "Transformer" => transformer,
            _ => return Err(Error::Modules { why: "the first module is not a Transformer".to_owned() }),
        };
        Ok(Some(Self { transformer, entries: entries.collect() }))
    }

    /// Layers behind a transformer whose tokens are `width` wide.
    ///
    /// # Errors
    /// [`Error::Modules`] for another order, and files and keys that are not supported.
    pub fn head(&self, width: usize) -> Result<EmbeddingHead, Error> {
        let mut entries = self.entries.iter().filter(|(class, _)| class != "Dropout");
        let pooling = match entries.next() {
            Some((class, folder)) if class == "Pooling" => pooling::read(folder, width)?,
            _ => return Err(Error::Modules { why: "the second module is not a Pooling".to_owned() }),
        };
        let (mut width, mut layers) = (width.saturating_mul(pooling.len()), Vec::new());
        for (class, folder) in entries {
            layers.extend(modules::read(class, folder, &mut width)?);
        }
        Ok(EmbeddingHead { pooling, layers })
    }
}

/// Pooling of a folder without `modules.json`: that of `1_Pooling`, or the mean.
pub fn pooling_without_modules(folder: &ModelFolder, width: usize) -> Result<EmbeddingHead, Error> {
    let pooling = pooling::read_optional(&folder.child("1_Pooling", "1_Pooling/config.json")?, width)?;
    Ok(EmbeddingHead { pooling, layers: Vec::new() })
}

/// Settings of the transformer in its folder.
///
/// # Errors
/// [`Error::UnsupportedKey`] for settings that are not obeyed.
pub fn settings(folder: &ModelFolder) -> Result<SentenceSettings, Error> {
    for name in SETTINGS {
        let Some(values) = folder.optional::<serde_json::Map<String, Value>>(name)? else { continue };
        let file = folder.name(name);
        for (key, value) in &values {
            let neutral = match key.as_str() {
                key if HARMLESS.contains(&key) => key != "transformer_task" || value == "feature-extraction",
                "module_output_name" => value == "token_embeddings",
                // Texts are its first modality wherever there is one.
                "modality_config" => value.get("text").is_some() && value.get("image").is_none(),
                _ => value.is_null() || value == &Value::Object(serde_json::Map::new()),
            };
            if !neutral {
                let remedy = "save the model without it";
                return Err(Error::unsupported_key(&file, key, &value.to_string(), remedy));
            }
        }
        let max_length = values.get("max_seq_length").and_then(Value::as_u64);
        let lowercase = values.get("do_lower_case").and_then(Value::as_bool).unwrap_or(false);
        return Ok(SentenceSettings {
            max_length: max_length.and_then(|length| usize::try_from(length).ok()),
            lowercase,
        });
    }
    Ok(SentenceSettings::default())
}
