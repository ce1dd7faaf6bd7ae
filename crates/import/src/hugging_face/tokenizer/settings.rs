//! Keys of `tokenizer_config.json` that change what a `tokenizer.json` does, as transformers applies them.

use serde_json::{Value, json};

use super::special::{TokenizerConfig, default_token};
use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;
use crate::tokenizer_json::{TokenWithId, Vocabulary, template};

/// Keys of both files for a `BertNormalizer`.
const BERT_KEYS: [(&str, &str); 3] = [
    ("do_lower_case", "lowercase"),
    ("strip_accents", "strip_accents"),
    ("tokenize_chinese_chars", "handle_chinese_chars"),
];
/// Classes whose `add_bos_token` and `add_eos_token` replace the template of the file.
const TEMPLATES: [&str; 4] = ["LlamaTokenizer", "CodeLlamaTokenizer", "GemmaTokenizer", "CohereTokenizer"];

/// Applies the settings of the folder to a tokenizer.
///
/// # Errors
/// [`Error::UnsupportedKey`] for settings that are not obeyed.
pub(super) fn apply_settings(
    tokenizer: &mut Value,
    folder: &ModelFolder,
    config: &TokenizerConfig,
    model_type: &str,
) -> Result<(), Error> {
    if config.get("truncation_side").is_some_and(|side| side != "right") {
        return Err(config.unsupported("truncation_side", "texts are cut at their ends; expected `right`"));
    }
    bert_normalizer(tokenizer, config);
    missing_tokens(tokenizer, folder, config)?;
    let class = config.class(model_type);
    special_tokens_around(tokenizer, config, class)
}

/// Overrides the settings of a `BertNormalizer`.
fn bert_normalizer(tokenizer: &mut Value, config: &TokenizerConfig) {
    let Some(normalizer) = tokenizer.get_mut("normalizer") else { return };
    if normalizer["type"] != "BertNormalizer" {
        return;
    }
    for (theirs, own) in BERT_KEYS {
        if let Some(flag) = config.flag(theirs) {
            normalizer[own] = Value::Bool(flag);
        }
    }
}

/// Adds the tokens of `tokenizer_config.json` that the tokenizer lacks.
fn missing_tokens(
    tokenizer: &mut Value,
    folder: &ModelFolder,
    config: &TokenizerConfig,
) -> Result<(), Error> {
    let declared = config.declared()?;
    let added = tokenizer["added_tokens"].as_array().cloned().unwrap_or_default();
    let mut missing = Vec::new();
    for (id, token) in declared {
        let same_id = added.iter().find(|own| own["id"] == json!(id));
        match same_id {
            Some(own) if own["content"] == token["content"] => {}
            Some(own) => {
                let why = format!(
                    "token {id} is {} in `added_tokens_decoder`, but {} in {}",
                    token["content"],
                    own["content"],
                    folder.name("tokenizer.json")
                );
                return Err(Error::invalid_file(&config.file, why, "take both files from one model"));
            }
            None => missing.push(token),
        }
    }
    if !missing.is_empty() {
        tokenizer["added_tokens"] = added.into_iter().chain(missing).collect();
    }
    Ok(())
}

/// Obeys `add_bos_token` and `add_eos_token`.
fn special_tokens_around(tokenizer: &mut Value, config: &TokenizerConfig, class: &str) -> Result<(), Error> {
    let flags = [("add_bos_token", "bos_token"), ("add_eos_token", "eos_token")];
    let token = |key: &str| config.token(key).unwrap_or_else(|| default_token(class, key)).to_owned();
    let present = [0, 1].map(|at| surrounds(&tokenizer["post_processor"], &token(flags[at].1), at == 0));
    let wanted = [0, 1].map(|at| config.flag(flags[at].0).unwrap_or(present[at]));
    if wanted == present {
        return Ok(());
    }
    if !TEMPLATES.contains(&class) {
        // Versions of transformers disagree over other classes: the flag or the file holds.
        return match (0..flags.len()).find(|at| wanted[*at] && !present[*at]) {
            None => Ok(()),
            Some(at) => {
                let remedy =
                    "tokenizer.json does not add the token; save the tokenizer again, or set it to false";
                Err(config.unsupported(flags[at].0, remedy))
            }
        };
    }
    let mut around: [Vec<TokenWithId>; 2] = [Vec::new(), Vec::new()];
    for (at, (flag, key)) in flags.into_iter().enumerate().filter(|(at, _)| wanted[*at]) {
        let token = token(key);
        let Some(id) = id_of(tokenizer, &token) else {
            return Err(config.unsupported(flag, &format!("the tokenizer has no `{key}`")));
        };
        around[at].push((token, id));
    }
    tokenizer["post_processor"] = template(&around[0], &around[1]);
    Ok(())
}

/// `true` if a post-processor puts the token before (or after) a text.
fn surrounds(processor: &Value, token: &str, before: bool) -> bool {
    if token.is_empty() {
        return false;
    }
    let steps = processor["processors"].as_array().map_or(std::slice::from_ref(processor), Vec::as_slice);
    steps.iter().any(|step| match step["type"].as_str() {
        Some("TemplateProcessing") => {
            let pieces = step["single"].as_array().map(Vec::as_slice).unwrap_or_default();
            let text = pieces.iter().position(|piece| piece.get("Sequence").is_some());
            let text = text.unwrap_or(pieces.len());
            let part = if before { &pieces[..text] } else { &pieces[text..] };
            part.iter().any(|piece| piece["SpecialToken"]["id"] == token)
        }
        Some("RobertaProcessing" | "BertProcessing") => {
            let own = if before { &step["cls"][0] } else { &step["sep"][0] };
            own == token
        }
        _ => false,
    })
}

/// Id of a token, among the added ones or in the model's vocabulary.
fn id_of(tokenizer: &Value, token: &str) -> Option<usize> {
    if token.is_empty() {
        return None;
    }
    let added = tokenizer["added_tokens"].as_array().into_iter().flatten();
    let added = added.filter(|own| own["content"] == token).find_map(|own| own["id"].as_u64());
    let vocabulary: Option<&Vocabulary> = tokenizer["model"]["vocab"].as_object();
    let id = added.or_else(|| vocabulary.and_then(|vocabulary| vocabulary.get(token)?.as_u64()))?;
    usize::try_from(id).ok()
}
