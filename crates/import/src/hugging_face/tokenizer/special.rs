//! Special and added tokens of a tokenizer, and its class.

use std::collections::{BTreeMap, HashSet};

use serde_json::{Map, Value};

use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;
use crate::tokenizer_json::{TokenWithId, Vocabulary, added_token};

const FILE: &str = "tokenizer_config.json";
/// Keys of special tokens.
const SPECIAL: [&str; 7] =
    ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"];
/// Classes of tokenizers that a `tokenizer.json` describes completely.
const GENERAL: [&str; 2] = ["PreTrainedTokenizer", "TokenizersBackend"];
/// Largest id of an added token: larger ones, from damaged files, would take memory for all ids before them.
const MAX_ID: usize = 1 << 22;

/// `tokenizer_config.json`, with what `special_tokens_map.json` adds.
#[derive(Debug, Default)]
pub struct TokenizerConfig {
    values: Map<String, Value>,
    /// Name of the file within the model's folder.
    pub file: String,
}

impl TokenizerConfig {
    /// Reads both files, neither of which a folder needs.
    pub fn read(folder: &ModelFolder) -> Result<Self, Error> {
        let mut values: Map<String, Value> = folder.optional(FILE)?.unwrap_or_default();
        let special: Map<String, Value> = folder.optional("special_tokens_map.json")?.unwrap_or_default();
        for (key, value) in special {
            let entry = values.entry(key).or_insert(Value::Null);
            if entry.is_null() {
                *entry = value;
            }
        }
        Ok(Self { values, file: folder.name(FILE) })
    }

    /// A value that is not null.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.values.get(key).filter(|value| !value.is_null())
    }

    /// A boolean; `None` if the file does not have it.
    pub fn flag(&self, key: &str) -> Option<bool> {
        self.get(key).and_then(Value::as_bool)
    }

    /// Text of a special token, alone or with its flags.
    pub fn token(&self, key: &str) -> Option<&str> {
        let value = self.get(key)?;
        value.as_str().or_else(|| value.get("content").and_then(Value::as_str))
    }

    /// Text of a special token, or the default of its class.
    pub fn token_or(&self, key: &str, default: &str) -> String {
        self.token(key).unwrap_or(default).to_owned()
    }

    /// Class of the tokenizer without `Fast`; that of the model if the file names none.
    pub fn class(&self, model_type: &str) -> &str {
        let named = self.get("tokenizer_class").and_then(Value::as_str);
        named.map_or_else(|| default_class(model_type), |class| class.strip_suffix("Fast").unwrap_or(class))
    }

    /// As [`TokenizerConfig::class`], but that of the model too if the file names the class of any `tokenizer.json`.
    pub fn specific_class(&self, model_type: &str) -> &str {
        let class = self.class(model_type);
        if GENERAL.contains(&class) { default_class(model_type) } else { class }
    }

    /// Error for a key of the file.
    pub fn unsupported(&self, key: &str, remedy: &str) -> Error {
        let found = self.get(key).map(ToString::to_string).unwrap_or_default();
        Error::unsupported_key(&self.file, key, &found, remedy)
    }

    /// Tokens that are recognised before a text is split, by id: those that the files add, and the special ones with
    /// these `defaults`. Tokens without an id follow the last one.
    pub fn added_tokens(
        &self,
        folder: &ModelFolder,
        vocabulary: &Vocabulary,
        defaults: &[(&str, &str)],
    ) -> Result<Vec<Value>, Error> {
        let mut tokens: BTreeMap<usize, Value> = self.declared()?;
        let file = "added_tokens.json";
        for (content, id) in folder.optional::<BTreeMap<String, usize>>(file)?.unwrap_or_default() {
            let id = checked_id(&folder.name(file), id)?;
            tokens.entry(id).or_insert_with(|| added_token(id, &content, false));
        }
        let own = SPECIAL.iter().filter_map(|key| self.token(key));
        let defaults = defaults.iter().filter(|(key, _)| self.token(key).is_none());
        let named: Vec<&str> =
            own.chain(defaults.map(|(_, token)| *token)).chain(self.additional()).collect();
        let mut special: HashSet<&str> = HashSet::new();
        for content in named {
            if !special.insert(content) {
                continue;
            }
            let found = tokens.values_mut().find(|token| token["content"] == content);
            if let Some(token) = found {
                token["special"] = Value::Bool(true);
                continue;
            }
            let known = vocabulary.get(content).and_then(Value::as_u64);
            let next = || {
                let last = tokens.keys().next_back().map_or(0, |id| id + 1);
                last.max(vocabulary.len())
            };
            let id = known.and_then(|id| usize::try_from(id).ok()).unwrap_or_else(next);
            tokens.insert(id, self.special_token(id, content));
        }
        Ok(tokens.into_values().collect())
    }

    /// Tokens of `added_tokens_decoder`.
    pub fn declared(&self) -> Result<BTreeMap<usize, Value>, Error> {
        let mut tokens = BTreeMap::new();
        for (id, token) in self.get("added_tokens_decoder").and_then(Value::as_object).into_iter().flatten() {
            let invalid = || Error::invalid_file(&self.file, format!("invalid added token `{id}`"), "fix it");
            let content = token.get("content").and_then(Value::as_str).ok_or_else(invalid)?;
            let id = checked_id(&self.file, id.parse().map_err(|_| invalid())?)?;
            let mut entry = added_token(id, content, false);
            for flag in ["special", "lstrip", "rstrip", "single_word", "normalized"] {
                if let Some(value) = token.get(flag).filter(|value| value.is_boolean()) {
                    entry[flag] = value.clone();
                }
            }
            tokens.insert(id, entry);
        }
        Ok(tokens)
    }

    fn additional(&self) -> impl Iterator<Item = &str> {
        let tokens = self.get("additional_special_tokens").and_then(Value::as_array);
        tokens
            .into_iter()
            .flatten()
            .filter_map(|token| token.as_str().or_else(|| token.get("content")?.as_str()))
    }

    /// A special token with the flags that its key has.
    fn special_token(&self, id: usize, content: &str) -> Value {
        let mut entry = added_token(id, content, true);
        let mut with_flags = SPECIAL.iter().filter_map(|key| self.get(key));
        let flags = with_flags.find(|token| token.get("content").is_some_and(|c| c == content));
        for flag in ["lstrip", "rstrip", "single_word", "normalized"] {
            if let Some(value) = flags.and_then(|token| token.get(flag)).filter(|value| value.is_boolean()) {
                entry[flag] = value.clone();
            }
        }
        entry
    }
}

/// A token with its id among the added ones, or in the vocabulary.
pub fn with_id(content: &str, added: &[Value], vocabulary: &Vocabulary) -> Option<TokenWithId> {
    let added = added.iter().find(|token| token["content"] == content).map(|token| &token["id"]);
    let id = added.or_else(|| vocabulary.get(content)).and_then(Value::as_u64)?;
    Some((content.to_owned(), usize::try_from(id).ok()?))
}

fn checked_id(file: &str, id: usize) -> Result<usize, Error> {
    if id <= MAX_ID {
        return Ok(id);
    }
    Err(Error::invalid_file(file, format!("token id {id} is too large"), "restore the file from its source"))
}

/// Special token of a class whose file does not name it; empty if the class has none.
pub fn default_token(class: &str, key: &str) -> &'static str {
    match (class, key) {
        ("GemmaTokenizer", "bos_token") => "<bos>",
        ("GemmaTokenizer", "eos_token") => "<eos>",
        ("LlamaTokenizer" | "CodeLlamaTokenizer", "bos_token") => "<s>",
        ("LlamaTokenizer" | "CodeLlamaTokenizer", "eos_token") => "</s>",
        _ => "",
    }
}

/// Class of the tokenizer that a model of this kind has unless its files name another.
fn default_class(model_type: &str) -> &'static str {
    match model_type {
        "bert" => "BertTokenizer",
        "distilbert" => "DistilBertTokenizer",
        "roberta" => "RobertaTokenizer",
        "xlm-roberta" => "XLMRobertaTokenizer",
        "camembert" => "CamembertTokenizer",
        "gpt2" => "GPT2Tokenizer",
        "qwen2" | "qwen3" => "Qwen2Tokenizer",
        "gemma" | "gemma2" | "gemma3_text" => "GemmaTokenizer",
        _ => "LlamaTokenizer",
    }
}
