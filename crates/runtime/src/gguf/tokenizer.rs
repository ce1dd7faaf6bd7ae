//! Tokenizers of GGUF files as a `tokenizer.json`: bytes in pairs (Radford et al. 2019), and `SentencePiece`'s pieces
//! (Kudo and Richardson 2018).

use std::collections::HashMap;

use cupola_prep::FittedTokenizer;
use serde_json::{Value as Json, json};

use super::{Keys, text, texts};

/// How texts are cut before pairs are merged: Llama 3's way, whose digits come three at a time.
const WORDS: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
/// What `SentencePiece` writes for a space.
const SPACE: &str = "\u{2581}";
/// Kinds of tokens: of control, and of the user.
const SPECIAL: [i32; 2] = [3, 4];

impl Keys<'_> {
    /// The tokenizer, and its tokens.
    pub(super) fn tokenizer(&self) -> Result<(FittedTokenizer, Vec<String>), String> {
        let tokens = texts(self.get("tokenizer.ggml.tokens")?);
        let vocabulary: serde_json::Map<String, Json> =
            tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect();
        let all = match text(self.get("tokenizer.ggml.model")?).unwrap_or_default() {
            "gpt2" => self.pairs(&tokens, &vocabulary)?,
            "llama" => self.pieces(&tokens, &vocabulary)?,
            kind => {
                return Err(format!(
                    "a tokenizer of kind `{kind}` is not read from GGUF; import the model's folder with its tokenizer.json by `--from hf`"
                ));
            }
        };
        Ok((FittedTokenizer::try_from(all)?, tokens))
    }

    /// One of bytes in pairs.
    fn pairs(&self, tokens: &[String], vocabulary: &serde_json::Map<String, Json>) -> Result<Json, String> {
        let merges = texts(self.get("tokenizer.ggml.merges")?);
        let kind = self.get("tokenizer.ggml.pre").ok().and_then(text).unwrap_or("gpt-2");
        let (normal, cut) = cut(kind)?;
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added(tokens),
            "normalizer": normal,
            "pre_tokenizer": cut,
            "post_processor": self.begins(tokens, false),
            "decoder": bytes(true),
            "model": {
                "type": "BPE",
                "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false,
                "ignore_merges": kind == "llama-bpe", "vocab": vocabulary, "merges": merges,
            },
        }))
    }

    /// One of pieces, whose likeliest neighbours are put together first; what no piece has is bytes.
    fn pieces(&self, tokens: &[String], vocabulary: &serde_json::Map<String, Json>) -> Result<Json, String> {
        let scores = self.get("tokenizer.ggml.scores")?.to_vec().map_err(|error| error.to_string())?;
        let scores: Vec<f32> = scores.iter().map(|score| score.to_f32().unwrap_or(f32::MIN)).collect();
        let unknown = self.count("tokenizer.ggml.unknown_token_id").unwrap_or(0);
        let before = self.get("tokenizer.ggml.add_space_prefix").ok().and_then(|value| value.to_bool().ok());
        let spaces = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
        let first = json!({ "type": "Prepend", "prepend": SPACE });
        let begins = before.unwrap_or(true);
        let normal: Vec<Json> = begins.then_some(first).into_iter().chain([spaces]).collect();
        let words = json!({ "type": "Replace", "pattern": { "String": SPACE }, "content": " " });
        let strip = json!({ "type": "Strip", "content": " ", "start": usize::from(begins), "stop": 0 });
        let decoders = json!([words, { "type": "ByteFallback" }, { "type": "Fuse" }, strip]);
        Ok(json!({
            "version": "1.0",
            "truncation": null,
            "padding": null,
            "added_tokens": self.added(tokens),
            "normalizer": { "type": "Sequence", "normalizers": normal },
            "pre_tokenizer": null,
            "post_processor": self.begins(tokens, true),
            "decoder": { "type": "Sequence", "decoders": decoders },
            "model": {
                "type": "BPE",
                "dropout": null, "unk_token": tokens.get(unknown), "continuing_subword_prefix": null,
                "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
                "ignore_merges": false, "vocab": vocabulary, "merges": merges(tokens, &scores),
            },
        }))
    }

    /// Tokens that are found before a text is cut.
    fn added(&self, tokens: &[String]) -> Vec<Json> {
        let kinds = self.get("tokenizer.ggml.token_type").ok().and_then(|kinds| kinds.to_vec().ok());
        let kinds = kinds.into_iter().flatten().map(|kind| kind.to_i32().ok());
        let each = tokens.iter().zip(kinds).enumerate().filter_map(|(id, (token, kind))| {
            let kind = kind.filter(|kind| SPECIAL.contains(kind))?;
            Some(json!({
                "id": id, "content": token, "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": kind == SPECIAL[0],
            }))
        });
        each.collect()
    }

    /// What puts a token before every text, where the model wants one; `usual` where it is not told.
    fn begins(&self, tokens: &[String], usual: bool) -> Json {
        let told = self.get("tokenizer.ggml.add_bos_token").ok().and_then(|value| value.to_bool().ok());
        let wanted = told.unwrap_or(usual);
        let id = self.count("tokenizer.ggml.bos_token_id").ok();
        let Some((id, token)) = id.filter(|_| wanted).and_then(|id| Some((id, tokens.get(id)?))) else {
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

/// Neighbours that make a piece together, the likeliest piece first. A piece may be made in several ways.
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

/// How a tokenizer of this kind makes a text normal, and cuts it before pairs are merged.
fn cut(kind: &str) -> Result<(Json, Json), String> {
    let sequence =
        |first: Json, second: Json| json!({ "type": "Sequence", "pretokenizers": [first, second] });
    let words = |pattern: &str| {
        let split = json!({
            "type": "Split", "pattern": { "Regex": pattern }, "behavior": "Isolated", "invert": false,
        });
        sequence(split, bytes(false))
    };
    Ok(match kind {
        "gpt-2" | "default" => (Json::Null, bytes(true)),
        "smollm" => {
            (Json::Null, sequence(json!({ "type": "Digits", "individual_digits": true }), bytes(true)))
        }
        "llama-bpe" => (Json::Null, words(WORDS)),
        "qwen2" => (json!({ "type": "NFC" }), words(&WORDS.replace("{1,3}", ""))),
        other => {
            return Err(format!(
                "texts that are cut in the way `{other}` are not known; import the model's folder with its tokenizer.json by `--from hf`"
            ));
        }
    })
}

/// A text as bytes, each a character; cut into words where asked.
fn bytes(regex: bool) -> Json {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": regex })
}
