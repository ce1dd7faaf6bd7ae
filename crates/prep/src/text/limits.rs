//! Limits of tokenizers that come from files: a small one may make much text or many tokens of a short text.

use std::panic::{AssertUnwindSafe, catch_unwind};

use serde_json::Value;
use tokenizers::Tokenizer;

use crate::error::Error;

/// Steps of a normalizer, pre-tokenizer or decoder.
const MAX_STEPS: usize = 64;
/// Product of what the steps of a normalizer or decoder may lengthen a text by.
const MAX_GROWTH: usize = 32;
/// Bytes of a replacement or an affix.
const MAX_AFFIX: usize = 256;
/// Bytes of a regular expression.
const MAX_PATTERN: usize = 8_192;
/// Values of a post-processor, which adds tokens to every text.
const MAX_POST_PROCESSOR: usize = 4_096;
/// Tokens that are recognised before a text is split.
const MAX_ADDED: usize = 100_000;
/// Bytes of such a token.
const MAX_ADDED_TOKEN: usize = 4_096;
/// Tokens of a vocabulary.
const MAX_VOCABULARY: usize = 2 << 20;
/// Characters of a word of `WordPiece`, which takes time by their square.
const MAX_WORD: u64 = 1_000;
/// Texts that are tried before a tokenizer is used: what fails at them would fail at every request.
const TRIALS: [&str; 4] = ["", "a", "Abc de, 12.", "\u{e9}\u{4e2d}\u{1f600}"];
/// Tokens of such a text.
const MAX_TRIAL_TOKENS: usize = 1_024;
/// Merges of a vocabulary.
const MAX_MERGES: usize = 4 << 20;

/// Checks a `tokenizer.json` before it is built.
///
/// # Errors
/// [`Error::Tokenizer`] with the key and its limit.
pub(super) fn check(tokenizer: &Value) -> Result<(), Error> {
    for (key, list) in
        [("normalizer", "normalizers"), ("pre_tokenizer", "pretokenizers"), ("decoder", "decoders")]
    {
        check_steps(&tokenizer[key], key, list)?;
    }
    let processor = count(&tokenizer["post_processor"], MAX_POST_PROCESSOR);
    at_most("post_processor", "values", processor, MAX_POST_PROCESSOR)?;
    let added = tokenizer["added_tokens"].as_array().map(Vec::as_slice).unwrap_or_default();
    at_most("added_tokens", "tokens", added.len(), MAX_ADDED)?;
    for token in added {
        let length = token["content"].as_str().map_or(0, str::len);
        at_most("added_tokens[].content", "bytes", length, MAX_ADDED_TOKEN)?;
        check_id("added_tokens[].id", &token["id"])?;
    }
    check_model(&tokenizer["model"])
}

/// Encodes and decodes short texts. A tokenizer may reject them, but not panic or make many tokens of them.
///
/// # Errors
/// [`Error::Tokenizer`].
pub(super) fn try_out(tokenizer: &Tokenizer) -> Result<(), Error> {
    for text in TRIALS {
        let tried = catch_unwind(AssertUnwindSafe(|| {
            let Ok(encoding) = tokenizer.encode(text, true) else { return 0 };
            let ids = encoding.get_ids();
            if ids.len() <= MAX_TRIAL_TOKENS {
                let _ = tokenizer.decode(ids, true);
            }
            ids.len()
        }));
        let Ok(tokens) = tried else {
            return Err(Error::Tokenizer { why: format!("tokenizer: it fails at the text `{text}`") });
        };
        at_most("post_processor", "tokens of a short text", tokens, MAX_TRIAL_TOKENS)?;
    }
    Ok(())
}

fn check_model(model: &Value) -> Result<(), Error> {
    if let Some(found) = model["max_input_chars_per_word"].as_u64().filter(|found| *found > MAX_WORD) {
        let why =
            format!("tokenizer: `model.max_input_chars_per_word` may be at most {MAX_WORD}, found {found}");
        return Err(Error::Tokenizer { why });
    }
    match &model["vocab"] {
        Value::Object(ids) => {
            at_most("model.vocab", "tokens", ids.len(), MAX_VOCABULARY)?;
            ids.values().try_for_each(|id| check_id("model.vocab", id))?;
        }
        Value::Array(pieces) => at_most("model.vocab", "tokens", pieces.len(), MAX_VOCABULARY)?,
        _ => {}
    }
    at_most("model.merges", "merges", model["merges"].as_array().map_or(0, Vec::len), MAX_MERGES)?;
    for key in ["continuing_subword_prefix", "end_of_word_suffix", "unk_token"] {
        at_most(&format!("model.{key}"), "bytes", model[key].as_str().map_or(0, str::len), MAX_AFFIX)?;
    }
    Ok(())
}

/// Checks an id, which decides the size of tables.
fn check_id(key: &str, id: &Value) -> Result<(), Error> {
    match id.as_u64() {
        Some(id) => at_most(key, "as an id", usize::try_from(id).unwrap_or(usize::MAX), 2 * MAX_VOCABULARY),
        None => Ok(()),
    }
}

/// Checks the steps of one part, with those of its sequences.
fn check_steps(part: &Value, key: &str, list: &str) -> Result<(), Error> {
    let (mut open, mut steps, mut growth) = (vec![part], 0_usize, 1_usize);
    while let Some(step) = open.pop() {
        steps += 1;
        at_most(key, "steps", steps, MAX_STEPS)?;
        if let Some(own) = step[list].as_array() {
            at_most(key, "steps", own.len(), MAX_STEPS)?;
            open.extend(own);
            continue;
        }
        if step["pattern"]["String"] == "" {
            let why =
                format!("tokenizer: `{key}.pattern` is empty, so that it matches between any two characters");
            return Err(Error::Tokenizer { why });
        }
        let regex = step["pattern"]["Regex"].as_str();
        at_most(&format!("{key}.pattern"), "bytes", regex.map_or(0, str::len), MAX_PATTERN)?;
        for affix in ["content", "prepend", "replacement", "prefix", "suffix"] {
            at_most(&format!("{key}.{affix}"), "bytes", step[affix].as_str().map_or(0, str::len), MAX_AFFIX)?;
        }
        if step["type"] == "Replace" {
            let content = step["content"].as_str().map_or(0, str::len);
            let lengthened = match step["pattern"]["String"].as_str() {
                Some(pattern) => content.div_ceil(pattern.len()),
                // A regular expression may match between any two characters.
                None => content.saturating_add(usize::from(content > 0)),
            };
            growth = growth.saturating_mul(lengthened.max(1));
        }
        at_most(key, "times the length of a text", growth, MAX_GROWTH)?;
    }
    Ok(())
}

/// Number of values in a value, counted up to a little more than `most`.
fn count(value: &Value, most: usize) -> usize {
    let (mut open, mut found) = (vec![value], 0);
    while let Some(value) = open.pop() {
        found += 1;
        if found > most {
            break;
        }
        match value {
            Value::Array(items) => open.extend(items.iter().take(most)),
            Value::Object(entries) => open.extend(entries.values().take(most)),
            _ => {}
        }
    }
    found
}

fn at_most(key: &str, what: &str, found: usize, most: usize) -> Result<(), Error> {
    if found <= most {
        return Ok(());
    }
    Err(Error::Tokenizer { why: format!("tokenizer: `{key}` may have at most {most} {what}, found {found}") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tokenizers_that_make_much_of_little_are_refused() {
        let replace =
            |content: &str| json!({ "type": "Replace", "pattern": { "String": "a" }, "content": content });
        let many: Vec<Value> = (0..9).map(|_| replace("aaaaaaaaaa")).collect();
        let empty = json!({ "type": "Replace", "pattern": { "Regex": "" }, "content": "aaaa" });
        let entry = json!({ "SpecialToken": { "id": "a", "type_id": 0 } });
        let mut nested = replace("b");
        for _ in 0..70 {
            nested = json!({ "type": "Sequence", "normalizers": [nested] });
        }
        let added: Vec<Value> = (0..100_001).map(|id| json!({ "id": id, "content": "a" })).collect();
        for hostile in [
            json!({ "normalizer": { "type": "Sequence", "normalizers": many } }),
            json!({ "normalizer": { "type": "Sequence", "normalizers": [empty, empty, empty, empty] } }),
            json!({ "normalizer": nested }),
            json!({ "normalizer": { "type": "Prepend", "prepend": "a".repeat(1_000) } }),
            json!({ "pre_tokenizer": { "type": "Split", "pattern": { "Regex": "a".repeat(10_000) } } }),
            json!({ "post_processor": { "type": "TemplateProcessing", "single": vec![entry; 5_000] } }),
            json!({ "post_processor": { "special_tokens": { "a": { "ids": vec![0; 200_000] } } } }),
            json!({ "model": { "max_input_chars_per_word": 1_000_000 } }),
            json!({ "added_tokens": added }),
            json!({ "added_tokens": [{ "id": 4_294_967_295_u64, "content": "a" }] }),
            json!({ "model": { "vocab": { "a": 4_294_967_295_u64 } } }),
            json!({ "model": { "end_of_word_suffix": "a".repeat(1_000) } }),
            json!({ "decoder": { "type": "Replace", "pattern": { "String": "a" }, "content": "b".repeat(1_000) } }),
        ] {
            let shown: String = hostile.to_string().chars().take(100).collect();
            let error = check(&hostile).unwrap_err().to_string();
            assert!(error.contains("at most"), "{shown}: {error}");
        }
    }

    #[test]
    fn a_tokenizer_that_panics_at_every_text_is_refused() {
        let replace = json!({ "type": "Replace", "pattern": { "String": "" }, "content": "aaaa" });
        let template = json!({ "type": "TemplateProcessing", "special_tokens": {}, "pair": [],
            "single": vec![json!({ "Sequence": { "id": "A", "type_id": 0 } }); 1_300] });
        let strip = json!({ "type": "Strip", "content": "a", "start": u64::MAX, "stop": u64::MAX });
        for (key, value) in [
            ("normalizer", replace),
            ("pre_tokenizer", json!({ "type": "FixedLength", "length": 0 })),
            ("decoder", strip),
            ("post_processor", template),
        ] {
            let mut tokenizer = json!({ "version": "1.0", "added_tokens": [],
                "model": { "type": "WordLevel", "vocab": { "a": 0, "b": 1 }, "unk_token": "a" } });
            let built = |tokenizer: &Value| crate::text::FittedTokenizer::try_from(tokenizer.clone());
            assert!(built(&tokenizer).is_ok());
            tokenizer[key] = value;
            assert!(built(&tokenizer).is_err(), "{key}");
        }
    }

    #[test]
    fn tokenizers_of_models_are_within_the_limits() {
        let replace = |pattern: &str, content: &str| json!({ "type": "Replace", "pattern": { "Regex": pattern }, "content": content });
        let spaces = json!({ "type": "Replace", "pattern": { "String": " " }, "content": "\u{2581}" });
        let all = [
            replace("^ +", " "),
            replace(" +$", ""),
            replace(" {2,}", " "),
            json!({ "type": "Prepend", "prepend": "\u{2581}" }),
            spaces,
        ];
        let tokenizer = json!({
            "normalizer": { "type": "Sequence", "normalizers": all }, "model": { "vocab": { "a": 0, "b": 262_144 } },
        });
        assert!(check(&tokenizer).is_ok());
        assert!(check(&json!({})).is_ok());
    }
}
