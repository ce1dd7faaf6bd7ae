//! `WordPiece` of `vocab.txt` (Schuster and Nakajima 2012), as BERT has it.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::REMEDY;
use super::special::{TokenizerConfig, with_id};
use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;
use crate::tokenizer_json::{Vocabulary, template, tokenizer};

/// Special tokens of the class.
const BERT: [(&str, &str); 5] = [
    ("unk_token", "[UNK]"),
    ("sep_token", "[SEP]"),
    ("pad_token", "[PAD]"),
    ("cls_token", "[CLS]"),
    ("mask_token", "[MASK]"),
];

/// Makes a `BertTokenizer`.
pub(super) fn read(folder: &ModelFolder, config: &TokenizerConfig) -> Result<Value, Error> {
    if config.flag("do_basic_tokenize") == Some(false) {
        return Err(config.unsupported("do_basic_tokenize", REMEDY));
    }
    if config.get("never_split").and_then(Value::as_array).is_some_and(|words| !words.is_empty()) {
        return Err(config.unsupported("never_split", REMEDY));
    }
    let name = "vocab.txt";
    let Some(text) = folder.text(name)? else { return Err(folder.missing(name, REMEDY)) };
    let vocabulary = vocabulary(&text);
    let missing = |token: &str| {
        Error::invalid_file(&folder.name(name), format!("the token `{token}` is missing"), REMEDY)
    };
    let defaults = BERT.map(|(key, default)| (key, config.token_or(key, default)));
    let [(_, unknown), (_, end), _, (_, start), _] = &defaults;
    // A vocabulary without a mask or padding works; their ids would be beyond the weights.
    let known: Vec<(&str, &str)> = BERT
        .into_iter()
        .zip(&defaults)
        .filter(|(_, (_, token))| vocabulary.contains_key(token))
        .map(|(own, _)| own)
        .collect();
    let added = config.added_tokens(folder, &vocabulary, &known)?;
    if !vocabulary.contains_key(unknown) {
        return Err(missing(unknown));
    }
    let start = with_id(start, &added, &vocabulary).ok_or_else(|| missing(start))?;
    let end = with_id(end, &added, &vocabulary).ok_or_else(|| missing(end))?;
    Ok(tokenizer(&json!({
        "added_tokens": added,
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": true,
            "handle_chinese_chars": config.flag("tokenize_chinese_chars").unwrap_or(true),
            "strip_accents": config.flag("strip_accents"),
            "lowercase": config.flag("do_lower_case").unwrap_or(true),
        },
        "pre_tokenizer": { "type": "BertPreTokenizer" },
        "post_processor": template(&[start], &[end]),
        "decoder": { "type": "WordPiece", "prefix": "##", "cleanup": true },
        "model": {
            "type": "WordPiece", "unk_token": unknown, "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": vocabulary,
        },
    })))
}

/// Ids of the lines; of equal lines the last counts, as in transformers.
fn vocabulary(text: &str) -> Vocabulary {
    let mut lines: Vec<&str> = text.split('\n').map(|line| line.trim_end_matches('\r')).collect();
    if lines.last() == Some(&"") {
        lines.pop();
    }
    let mut seen = HashSet::new();
    let mut ids = Vocabulary::new();
    for (id, line) in lines.into_iter().enumerate().rev() {
        if seen.insert(line) {
            ids.insert(line.to_owned(), id.into());
        }
    }
    ids
}
