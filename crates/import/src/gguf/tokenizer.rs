//! Tokenizers of GGUF files as a `tokenizer.json`: byte-level BPE (Radford et al. 2019) and `SentencePiece`
//! (Kudo and Richardson 2018).

use cupola_prep::FittedTokenizer;
use serde_json::{Value as Json, json};

use super::metadata::{Metadata, text, texts};
use crate::error::Error;
use crate::tokenizer_json::{
    SPACE, Vocabulary, WORDS, added_token, byte_level, byte_level_model, piece_decoder, piece_model,
    template, tokenizer, words,
};

/// Token types `CONTROL` and `USER_DEFINED` of llama.cpp.
const ADDED: [i32; 2] = [3, 4];
/// Remedy for tokenizers that GGUF describes too briefly.
const REMEDY: &str = "import the model's folder, which has its tokenizer.json, with `--from hf`";

impl Metadata<'_> {
    /// Tokenizer of the file and its tokens.
    pub fn tokenizer(&self) -> Result<(FittedTokenizer, Vec<String>), Error> {
        let tokens = texts(self.get("tokenizer.ggml.tokens")?);
        let vocabulary: Vocabulary =
            tokens.iter().enumerate().map(|(id, token)| (token.clone(), id.into())).collect();
        let parts = match text(self.get("tokenizer.ggml.model")?).unwrap_or_default() {
            "gpt2" => self.byte_level_bpe(&tokens, &vocabulary)?,
            "llama" => self.sentence_piece(&tokens)?,
            kind => {
                let what = format!("its tokenizer is of kind `{kind}`");
                return Err(Error::UnsupportedGguf { what, remedy: REMEDY });
            }
        };
        Ok((FittedTokenizer::try_from(tokenizer(&parts))?, tokens))
    }

    fn byte_level_bpe(&self, tokens: &[String], vocabulary: &Vocabulary) -> Result<Json, Error> {
        let merges = texts(self.get("tokenizer.ggml.merges")?);
        let kind = self.text("tokenizer.ggml.pre").unwrap_or("gpt-2");
        let (normalizer, pre_tokenizer) = pre_tokenizer(kind)?;
        Ok(json!({
            "added_tokens": self.added_tokens(tokens),
            "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer,
            "post_processor": self.post_processor(tokens, false),
            "decoder": byte_level(true, false),
            "model": byte_level_model(vocabulary, &json!(merges), kind == "llama-bpe"),
        }))
    }

    /// BPE whose most probable pieces are merged first, with bytes for characters without a piece.
    fn sentence_piece(&self, tokens: &[String]) -> Result<Json, Error> {
        let scores = self.get("tokenizer.ggml.scores")?.to_vec();
        let scores = scores.map_err(|error| Error::Gguf { why: error.to_string() })?;
        let scores: Vec<f32> = scores.iter().map(|score| score.to_f32().unwrap_or(f32::MIN)).collect();
        let unknown = self.count("tokenizer.ggml.unknown_token_id").unwrap_or(0);
        let unknown = tokens.get(unknown).map(String::as_str);
        let spaces = json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE });
        let first = json!({ "type": "Prepend", "prepend": SPACE });
        let prefix = self.flag("tokenizer.ggml.add_space_prefix").unwrap_or(true);
        let normalizers: Vec<Json> = prefix.then_some(first).into_iter().chain([spaces]).collect();
        Ok(json!({
            "added_tokens": self.added_tokens(tokens),
            "normalizer": { "type": "Sequence", "normalizers": normalizers },
            "post_processor": self.post_processor(tokens, true),
            "decoder": piece_decoder(prefix),
            "model": piece_model(tokens, &scores, unknown, true),
        }))
    }

    /// Tokens that are recognised before a text is split.
    fn added_tokens(&self, tokens: &[String]) -> Vec<Json> {
        let kinds = self.get("tokenizer.ggml.token_type").ok().and_then(|kinds| kinds.to_vec().ok());
        let kinds = kinds.into_iter().flatten().map(|kind| kind.to_i32().ok());
        let each = tokens.iter().zip(kinds).enumerate().filter_map(|(id, (token, kind))| {
            let kind = kind.filter(|kind| ADDED.contains(kind))?;
            Some(added_token(id, token, kind == ADDED[0]))
        });
        each.collect()
    }

    /// Template that puts the begin-of-text token before every text, if the file asks for it or, saying nothing, if
    /// `default` is true.
    fn post_processor(&self, tokens: &[String], default: bool) -> Json {
        let adds = self.flag("tokenizer.ggml.add_bos_token").unwrap_or(default);
        let id = self.count("tokenizer.ggml.bos_token_id").ok();
        let begin = id.filter(|_| adds).and_then(|id| Some((tokens.get(id)?.clone(), id)));
        template(begin.as_slice(), &[])
    }
}

/// Normalizer and pre-tokenizer of llama.cpp's `tokenizer.ggml.pre`.
fn pre_tokenizer(kind: &str) -> Result<(Json, Json), Error> {
    Ok(match kind {
        "gpt-2" | "default" => (Json::Null, byte_level(true, false)),
        "smollm" => {
            let digits = json!({ "type": "Digits", "individual_digits": true });
            (Json::Null, json!({ "type": "Sequence", "pretokenizers": [digits, byte_level(true, false)] }))
        }
        "llama-bpe" => (Json::Null, words(WORDS, false)),
        "qwen2" => (json!({ "type": "NFC" }), words(&WORDS.replace("{1,3}", ""), false)),
        other => {
            let what = format!("its pre-tokenizer is of kind `{other}`");
            return Err(Error::UnsupportedGguf { what, remedy: REMEDY });
        }
    })
}
