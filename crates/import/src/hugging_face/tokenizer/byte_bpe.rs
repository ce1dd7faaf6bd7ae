//! Byte-level BPE of `vocab.json` and `merges.txt` (Radford et al. 2019, section 2.2).

use serde_json::{Value, json};

use super::REMEDY;
use super::special::{TokenizerConfig, with_id};
use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;
use crate::tokenizer_json::{Vocabulary, WORDS, byte_level, byte_level_model, template, tokenizer, words};

/// Token of GPT-2 and Qwen2 that ends a text.
const END_OF_TEXT: &str = "<|endoftext|>";
/// Special tokens of the classes.
const GPT2: [(&str, &str); 3] =
    [("bos_token", END_OF_TEXT), ("eos_token", END_OF_TEXT), ("unk_token", END_OF_TEXT)];
const QWEN2: [(&str, &str); 2] = [("eos_token", END_OF_TEXT), ("pad_token", END_OF_TEXT)];
pub(super) const ROBERTA: [(&str, &str); 7] = [
    ("bos_token", "<s>"),
    ("eos_token", "</s>"),
    ("sep_token", "</s>"),
    ("cls_token", "<s>"),
    ("unk_token", "<unk>"),
    ("pad_token", "<pad>"),
    ("mask_token", "<mask>"),
];

/// Makes a tokenizer of one of the classes `GPT2Tokenizer`, `RobertaTokenizer` and `Qwen2Tokenizer`.
pub(super) fn read(folder: &ModelFolder, config: &TokenizerConfig, class: &str) -> Result<Value, Error> {
    let vocabulary: Vocabulary = folder.required("vocab.json")?;
    if vocabulary.values().any(|id| id.as_u64().is_none()) {
        return Err(Error::invalid_file(&folder.name("vocab.json"), "an id is not a number", REMEDY));
    }
    let merges = merges(folder)?;
    let defaults: &[(&str, &str)] = match class {
        "RobertaTokenizer" => &ROBERTA,
        "Qwen2Tokenizer" => &QWEN2,
        _ => &GPT2,
    };
    let added = config.added_tokens(folder, &vocabulary, defaults)?;
    let prefix = config.flag("add_prefix_space").unwrap_or(false);
    let (normalizer, pre_tokenizer) = match class {
        "Qwen2Tokenizer" => (json!({ "type": "NFC" }), words(&WORDS.replace("{1,3}", ""), prefix)),
        _ => (Value::Null, byte_level(true, prefix)),
    };
    let token = |key: &str| {
        let default = defaults.iter().find(|(own, _)| *own == key).map_or("", |(_, token)| *token);
        with_id(&config.token_or(key, default), &added, &vocabulary)
    };
    let post_processor = match class {
        "RobertaTokenizer" => {
            let (Some(start), Some(end)) = (token("cls_token"), token("sep_token")) else {
                return Err(Error::invalid_file(
                    &folder.name("vocab.json"),
                    "`<s>` or `</s>` is missing",
                    REMEDY,
                ));
            };
            template(&[start], &[end])
        }
        "GPT2Tokenizer" if config.flag("add_bos_token") == Some(true) => {
            template(token("bos_token").as_slice(), &[])
        }
        _ => Value::Null,
    };
    Ok(tokenizer(&json!({
        "added_tokens": added,
        "normalizer": normalizer,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": post_processor,
        "decoder": byte_level(true, false),
        "model": byte_level_model(&vocabulary, &merges, false),
    })))
}

/// Pairs of tokens of `merges.txt`, which may begin with a line of its version.
fn merges(folder: &ModelFolder) -> Result<Value, Error> {
    let name = "merges.txt";
    let Some(text) = folder.text(name)? else { return Err(folder.missing(name, REMEDY)) };
    let mut pairs = Vec::new();
    for (at, line) in text.lines().enumerate() {
        if line.is_empty() || (at == 0 && line.starts_with("#version")) {
            continue;
        }
        let Some((left, right)) = line.split_once(' ').filter(|(_, right)| !right.contains(' ')) else {
            let why = format!("line {} is not a pair of tokens", at + 1);
            return Err(Error::invalid_file(&folder.name(name), why, REMEDY));
        };
        pairs.push(json!([left, right]));
    }
    Ok(Value::Array(pairs))
}
