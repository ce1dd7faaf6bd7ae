//! Parts of a `tokenizer.json` that tokenizers of other formats are converted to: byte-level BPE (Radford et al. 2019)
//! and `SentencePiece` (Kudo and Richardson 2018).

use std::collections::HashMap;

use serde_json::{Map, Value, json};

/// Llama 3's pattern of the words that a text is split into before merges; numbers come in groups of three digits.
pub const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// `SentencePiece`'s character for a space.
pub const SPACE: &str = "\u{2581}";

/// A token and its id.
pub type TokenWithId = (String, usize);

/// Ids by token.
pub type Vocabulary = Map<String, Value>;

/// A whole tokenizer of these parts; a text is neither truncated nor padded.
pub fn tokenizer(parts: &Value) -> Value {
    let mut all = json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": null, "post_processor": null, "decoder": null,
    });
    if let (Some(all), Some(parts)) = (all.as_object_mut(), parts.as_object()) {
        all.extend(parts.clone());
    }
    all
}

/// BPE without a token for unknown text.
pub fn byte_level_model(vocabulary: &Vocabulary, merges: &Value, ignore_merges: bool) -> Value {
    json!({
        "type": "BPE",
        "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
        "ignore_merges": ignore_merges, "vocab": vocabulary, "merges": merges,
    })
}

/// BPE of `SentencePiece`, whose most probable pieces are merged first.
pub fn piece_model(tokens: &[String], scores: &[f32], unknown: Option<&str>, byte_fallback: bool) -> Value {
    let vocabulary: Vocabulary =
        tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect();
    json!({
        "type": "BPE",
        "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": byte_fallback,
        "ignore_merges": false, "vocab": vocabulary, "merges": merges(tokens, scores),
    })
}

/// Decoder of `SentencePiece`; `strips` a space at the start of a text.
pub fn piece_decoder(strips: bool) -> Value {
    let words = json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " });
    let strip = json!({ "type": "Strip", "content": " ", "start": usize::from(strips), "stop": 0 });
    let decoders = json!([words, { "type": "ByteFallback" }, { "type": "Fuse" }, strip]);
    json!({ "type": "Sequence", "decoders": decoders })
}

/// Bytes as characters; `regex` also splits a text into GPT-2's words, and `prefix` puts a space before it.
pub fn byte_level(regex: bool, prefix: bool) -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": prefix, "trim_offsets": true, "use_regex": regex })
}

/// Words of a pattern, then bytes as characters.
pub fn words(pattern: &str, prefix: bool) -> Value {
    let split = json!({
        "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false,
    });
    json!({ "type": "Sequence", "pretokenizers": [split, byte_level(false, prefix)] })
}

/// Token that is recognised before a text is split.
pub fn added_token(id: usize, content: &str, special: bool) -> Value {
    json!({
        "id": id, "content": content, "single_word": false, "lstrip": false, "rstrip": false,
        "normalized": false, "special": special,
    })
}

/// Template that puts tokens before and after every text; null without tokens.
pub fn template(before: &[TokenWithId], after: &[TokenWithId]) -> Value {
    if before.is_empty() && after.is_empty() {
        return Value::Null;
    }
    let special = |(token, _): &TokenWithId| json!({ "SpecialToken": { "id": token, "type_id": 0 } });
    let sequence = |id: &str, kind: u32| json!({ "Sequence": { "id": id, "type_id": kind } });
    let all = |sequences: &[Value]| -> Vec<Value> {
        let around = before.iter().map(special).chain(sequences.iter().cloned());
        around.chain(after.iter().map(special)).collect()
    };
    let tokens: Map<String, Value> = before
        .iter()
        .chain(after)
        .map(|(token, id)| (token.clone(), json!({ "id": token, "ids": [id], "tokens": [token] })))
        .collect();
    json!({
        "type": "TemplateProcessing",
        "single": all(&[sequence("A", 0)]),
        "pair": all(&[sequence("A", 0), sequence("B", 1)]),
        "special_tokens": tokens,
    })
}

/// Pairs of pieces that form another piece, the most probable first. A piece may have several such pairs.
fn merges(tokens: &[String], scores: &[f32]) -> Vec<[String; 2]> {
    let known: HashMap<&str, f32> = tokens.iter().map(String::as_str).zip(scores.iter().copied()).collect();
    let mut all: Vec<(f32, [f32; 2], [&str; 2])> = Vec::new();
    for (piece, score) in &known {
        for (at, _) in piece.char_indices().skip(1) {
            let (left, right) = piece.split_at(at);
            if let (Some(a), Some(b)) = (known.get(left), known.get(right)) {
                all.push((*score, [*a, *b], [left, right]));
            }
        }
    }
    let key = |one: &(f32, [f32; 2], [&str; 2])| (one.0, one.1[0], one.1[1]);
    all.sort_unstable_by(|a, b| {
        let ((a, c, e), (b, d, f)) = (key(a), key(b));
        b.total_cmp(&a).then(d.total_cmp(&c)).then(f.total_cmp(&e))
    });
    all.into_iter().map(|(_, _, pair)| pair.map(str::to_owned)).collect()
}
