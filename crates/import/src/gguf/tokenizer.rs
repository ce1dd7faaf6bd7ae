//! Tokenizers of GGUF files as a `tokenizer.json`: byte-level BPE (Radford et al. 2019) and `SentencePiece`
//! (Kudo and Richardson 2018).

use std::collections::HashMap;

use cupola_prep::FittedTokenizer;
use serde_json::{Value as Json, json};

use super::metadata::{Metadata, text, texts};
use crate::error::Error;

/// Llama 3's pattern of the words that a text is split into before merges; numbers come in groups of three digits.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// `SentencePiece`'s character for a space.
const SPACE: &str = "\u{2581}";
/// Token types `CONTROL` and `USER_DEFINED` of llama.cpp.
const ADDED: [i32; 2] = [3, 4];
/// Remedy for tokenizers that GGUF describes too briefly.
const REMEDY: &str = "import the model's folder, which has its tokenizer.json, with `--from hf`";

type Vocabulary = serde_json::Map<String, Json>;

impl Metadata<'_> {
    /// Tokenizer of the file and its tokens.
    pub fn tokenizer(&self) -> Result<(FittedTokenizer, Vec<String>), Error> {
        let tokens = texts(self.get("tokenizer.ggml.tokens")?);
        let vocabulary: Vocabulary =
            tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect();
        let tokenizer = match text(self.get("tokenizer.ggml.model")?).unwrap_or_default() {
            "gpt2" => self.byte_level_bpe(&tokens, &vocabulary)?,
            "llama" => self.sentence_piece(&tokens, &vocabulary)?,
            kind => {
                let what = format!("its tokenizer is of kind `{kind}`");
                return Err(Error::UnsupportedGguf { what, remedy: REMEDY });
            }
        };
        Ok((FittedTokenizer::try_from(tokenizer)?, tokens))
    }

    fn byte_level_bpe(&self, tokens: &[String], vocabulary: &Vocabulary) -> Result<Json, Error> {
        let merges = texts(self.get("tokenizer.ggml.merges")?);
        let kind = self.text("tokenizer.ggml.pre").unwrap_or("gpt-2");
        let (normalizer, pre_tokenizer) = pre_tokenizer(kind)?;
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added_tokens(tokens),
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": self.post_processor(tokens, false),
            "decoder": byte_level(true),
            "model": {
                "type": "BPE",
                "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": kind == "llama-bpe", "vocab": vocabulary, "merges": merges,
            },
        }))
    }

    /// BPE whose most probable pieces are merged first, with bytes for characters without a piece.
    fn sentence_piece(&self, tokens: &[String], vocabulary: &Vocabulary) -> Result<Json, Error> {
        let scores = self.get("tokenizer.ggml.scores")?.to_vec();
        let scores = scores.map_err(|error| Error::Gguf { why: error.to_string() })?;
        let scores: Vec<f32> = scores.iter().map(|score| score.to_f32().unwrap_or(f32::MIN)).collect();
        let unknown = self.count("tokenizer.ggml.unknown_token_id").unwrap_or(0);
        let spaces = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
        let first = json!({ "type": "Prepend", "prepend": SPACE });
        let prefix = self.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
        let normalizers: Vec<Json> = prefix.then_some(first).into_iter().chain([spaces]).collect();
        let words = json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " });
        let strip = json!({ "type": "Strip", "content": " ", "start": usize::from(prefix), "stop": 0 });
        let decoders = json!([words, { "type": "ByteFallback" }, { "type": "Fuse" }, strip]);
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added_tokens(tokens),
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "pre_tokenizer": null,
            "post_processor": self.post_processor(tokens, true),
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": {
                "type": "BPE",
                "dropout": null, "unk_token": tokens.get(unknown), "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
                "ignore_merges": false, "vocab": vocabulary, "merges": merges(tokens, &scores),
            },
        }))
    }

    /// Tokens that are recognised before a text is split.
    fn added_tokens(&self, tokens: &[String]) -> Vec<Json> {
        let kinds = self.get("tokenizer.ggml.token_type").ok().and_then(|kinds| kinds.to_vec().ok());
        let kinds = kinds.into_iter().flatten().map(|kind| kind.to_i32().ok());
        let each = tokens.iter().zip(kinds).enumerate().filter_map(|(id, (token, kind))| {
            let kind = kind.filter(|kind| ADDED.contains(kind))?;
            Some(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind == ADDED[0],
            }))
        });
        each.collect()
    }

    /// Template that puts the begin-of-text token before every text, if the file asks for it or, saying nothing, if
    /// `default` is true.
    fn post_processor(&self, tokens: &[String], default: bool) -> Json {
        let adds = self.flag("tokenizer.ggml.add_bos_token").unwrap_or(default);
        let id = self.count("tokenizer.ggml.bos_token_id").ok();
        let Some((id, token)) = id.filter(|_| adds).and_then(|id| Some((id, tokens.get(id)?))) else {
            return Json::Null;
        };
        let special = json!({ "SpecialToken": { "id": token, "type_id": 0 } });
        let sequence = |id: &str, kind: u32| json!({ "Sequence": { "id": id, "type_id": kind } });
        json!({
            "type": "TemplateProcessing",
            "single": [special, sequence("A", 0)],
            "pair": [special, sequence("A", 0), sequence("B", 1)],
            "special_tokens": { token: { "id": token, "ids": [id], "tokens": [token] } },
        })
    }
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

/// Normalizer and pre-tokenizer of llama.cpp's `tokenizer.ggml.pre`.
fn pre_tokenizer(kind: &str) -> Result<(Json, Json), Error> {
    let sequence =
        |first: Json, second: Json| json!({ "type": "Sequence", "pretokenizers": [first, second] });
    let words = |pattern: &str| {
        let split = json!({
            "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false,
        });
        sequence(split, byte_level(false))
    };
    Ok(match kind {
        "gpt-2" | "default" => (Json::Null, byte_level(true)),
        "smollm" => {
            (Json::Null, sequence(json!({ "type": "Digits", "individual_digits": true }), byte_level(true)))
        }
        "llama-bpe" => (Json::Null, words(WORDS)),
        "qwen2" => (json!({ "type": "NFC" }), words(&WORDS.replace("{1,3}", ""))),
        other => {
            let what = format!("its pre-tokenizer is of kind `{other}`");
            return Err(Error::UnsupportedGguf { what, remedy: REMEDY });
        }
    })
}

/// Bytes as characters; `regex` also splits a text into GPT-2's words.
fn byte_level(regex: bool) -> Json {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex })
}
