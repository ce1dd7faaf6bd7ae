//! Tokenizer of a folder: its `tokenizer.json`, or one that is made of a vocabulary, merges or a `SentencePiece` model.

mod byte_bpe;
mod pieces;
mod settings;
mod special;
mod word_piece;

use cupola_prep::FittedTokenizer;
use serde_json::{Value, json};

use super::folder::ModelFolder;
use crate::error::Error;

use self::settings::apply_settings;
pub use self::special::TokenizerConfig;

/// Files that a tokenizer is made of, without `tokenizer.json`.
const SENTENCE_PIECE: [&str; 3] = ["tokenizer.model", "sentencepiece.bpe.model", "spiece.model"];
/// Remedy for tokenizers that can't be made of their files.
const REMEDY: &str = "load it with transformers' AutoTokenizer and save it with `save_pretrained(folder)`, \
                      which writes tokenizer.json";

/// Reads the tokenizer of a model of this `model_type`. If `lowercase`, texts are lowercased before anything else.
///
/// # Errors
/// [`Error::MissingFile`] for a folder without a tokenizer, and files and keys that are not supported.
pub fn read(
    folder: &ModelFolder,
    config: &TokenizerConfig,
    model_type: &str,
    lowercase: bool,
) -> Result<FittedTokenizer, Error> {
    let (file, mut tokenizer) = match folder.optional::<Value>("tokenizer.json")? {
        Some(tokenizer) => (folder.name("tokenizer.json"), tokenizer),
        None => convert(folder, config, model_type)?,
    };
    if !tokenizer.is_object() {
        return Err(Error::invalid_file(&file, "expected a JSON object", REMEDY));
    }
    apply_settings(&mut tokenizer, folder, config, model_type)?;
    // The plan truncates and pads; settings of the file would cut texts short or add tokens.
    tokenizer["padding"] = Value::Null;
    tokenizer["truncation"] = Value::Null;
    if lowercase {
        let first = json!({ "type": "Lowercase" });
        tokenizer["normalizer"] = match tokenizer["normalizer"].take() {
            Value::Null => first,
            own => json!({ "type": "Sequence", "normalizers": [first, own] }),
        };
    }
    let added = tokenizer["added_tokens"].as_array().cloned().unwrap_or_default();
    let fitted = FittedTokenizer::try_from(tokenizer).map_err(|error| match error {
        cupola_prep::Error::Tokenizer { why } => Error::invalid_file(&file, why, REMEDY),
        error => error.into(),
    })?;
    // The tokenizer numbers added tokens one after another, whatever ids the file gives them.
    for token in &added {
        let (content, id) = (token["content"].as_str().unwrap_or_default(), token["id"].as_u64());
        let found = fitted.token_id(content);
        if found.map(u64::from) != id {
            let why =
                format!("added token `{content}` has id {}, which does not follow the others", token["id"]);
            return Err(Error::invalid_file(&file, why, "take all files from one model"));
        }
    }
    Ok(fitted)
}

/// Makes a tokenizer of the files that the folder has; returns the name of one of them.
fn convert(
    folder: &ModelFolder,
    config: &TokenizerConfig,
    model_type: &str,
) -> Result<(String, Value), Error> {
    let class = config.specific_class(model_type);
    let (file, tokenizer) = match class {
        "GPT2Tokenizer" | "RobertaTokenizer" | "Qwen2Tokenizer" if folder.has("vocab.json") => {
            ("vocab.json", byte_bpe::read(folder, config, class)?)
        }
        "BertTokenizer" | "DistilBertTokenizer" if folder.has("vocab.txt") => {
            ("vocab.txt", word_piece::read(folder, config)?)
        }
        "LlamaTokenizer" | "GemmaTokenizer" | "XLMRobertaTokenizer" => {
            match SENTENCE_PIECE.into_iter().find(|name| folder.has(name)) {
                Some(file) => (file, pieces::read(folder, file, config, class)?),
                None => return Err(folder.missing("tokenizer.json", REMEDY)),
            }
        }
        _ => {
            let others = ["vocab.json", "vocab.txt", "merges.txt"].into_iter().chain(SENTENCE_PIECE);
            return Err(match others.into_iter().find(|name| folder.has(name)) {
                Some(file) => {
                    let why = format!("a `{class}` is not made of this file");
                    Error::invalid_file(&folder.name(file), why, REMEDY)
                }
                None => folder.missing("tokenizer.json", REMEDY),
            });
        }
    };
    Ok((folder.name(file), tokenizer))
}
