//! `SentencePiece` models (Kudo and Richardson 2018): BPE and unigrams.

mod proto;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use serde_json::{Value, json};

use self::proto::{ModelProto, NormalizerSpec, TrainerSpec};
use super::REMEDY;
use super::byte_bpe::ROBERTA;
use super::special::{TokenizerConfig, with_id};
use crate::error::Error;
use crate::hugging_face::folder::ModelFolder;
use crate::tokenizer_json::{SPACE, Vocabulary, piece_decoder, piece_model, template, tokenizer};

/// Kinds of a model.
const UNIGRAM: i32 = 1;
const BPE: i32 = 2;
/// Kinds of pieces that are no text.
const CONTROL: i32 = 3;
const USER_DEFINED: i32 = 4;
/// Special tokens of the classes.
const LLAMA: [(&str, &str); 3] = [("unk_token", "<unk>"), ("bos_token", "<s>"), ("eos_token", "</s>")];
const GEMMA: [(&str, &str); 4] =
    [("unk_token", "<unk>"), ("bos_token", "<bos>"), ("eos_token", "<eos>"), ("pad_token", "<pad>")];

/// Pieces with their scores, in the order of their ids.
struct Pieces {
    tokens: Vec<String>,
    scores: Vec<f32>,
    /// Tokens that are recognised before a text is split, and whether they are special.
    added: Vec<(usize, bool)>,
    unknown: usize,
}

/// Makes a tokenizer of one of the classes `LlamaTokenizer`, `GemmaTokenizer` and `XLMRobertaTokenizer`.
pub(super) fn read(
    folder: &ModelFolder,
    file: &str,
    config: &TokenizerConfig,
    class: &str,
) -> Result<Value, Error> {
    let invalid = |why: String| Error::invalid_file(&folder.name(file), why, REMEDY);
    let bytes = folder.bytes(file)?.unwrap_or_default();
    let model = ModelProto::decode(bytes.as_slice()).map_err(|error| invalid(error.to_string()))?;
    let trainer = model.trainer_spec.clone().unwrap_or_default();
    let normalizer = model.normalizer_spec.clone().unwrap_or_default();
    check(&trainer, &normalizer).map_err(|why| invalid(why.to_owned()))?;
    if config.get("sp_model_kwargs").and_then(Value::as_object).is_some_and(|options| !options.is_empty()) {
        return Err(config.unsupported("sp_model_kwargs", REMEDY));
    }
    let mut pieces = Pieces::new(&model, &trainer);
    if class == "XLMRobertaTokenizer" {
        pieces =
            pieces.in_fairseq_order().ok_or_else(|| invalid("its first pieces are not special".into()))?;
    }
    if pieces.tokens.is_empty() {
        return Err(invalid("it has no pieces".to_owned()));
    }
    let ids = pieces.tokens.iter().enumerate();
    let vocabulary: Vocabulary = ids.map(|(id, token)| (token.clone(), id.into())).collect();
    let defaults: &[(&str, &str)] = match class {
        "XLMRobertaTokenizer" => &ROBERTA,
        "GemmaTokenizer" => &GEMMA,
        _ => &LLAMA,
    };
    let mut added = config.added_tokens(folder, &vocabulary, defaults)?;
    for (id, special) in &pieces.added {
        let token = &pieces.tokens[*id];
        if !added.iter().any(|own| own["content"] == **token) {
            added.push(crate::tokenizer_json::added_token(*id, token, *special));
        }
    }
    added.sort_by_key(|token| token["id"].as_u64());
    let around = around(config, class, defaults, |token| with_id(token, &added, &vocabulary));
    let legacy = class != "LlamaTokenizer" || config.flag("legacy").unwrap_or(true);
    let prefix = config.flag("add_prefix_space").or(normalizer.add_dummy_prefix).unwrap_or(true);
    Ok(tokenizer(&json!({
        "added_tokens": added,
        "normalizer": normalizers(&normalizer, prefix, legacy),
        "pre_tokenizer": if legacy { Value::Null } else { spaces_at_the_start(prefix) },
        "post_processor": template(&around[0], &around[1]),
        "decoder": piece_decoder(prefix),
        "model": pieces.model(&trainer),
    })))
}

/// Refuses what no tokenizer does.
fn check(trainer: &TrainerSpec, normalizer: &NormalizerSpec) -> Result<(), &'static str> {
    if ![UNIGRAM, BPE].contains(&trainer.model_type.unwrap_or(UNIGRAM)) {
        return Err("its model is neither BPE nor unigrams");
    }
    if trainer.treat_whitespace_as_suffix.unwrap_or(false) {
        return Err("it puts spaces after words");
    }
    if !normalizer.escape_whitespaces.unwrap_or(true) {
        return Err("it does not mark spaces");
    }
    Ok(())
}

/// Tokens before and after every text.
fn around(
    config: &TokenizerConfig,
    class: &str,
    defaults: &[(&str, &str)],
    find: impl Fn(&str) -> Option<(String, usize)>,
) -> [Vec<(String, usize)>; 2] {
    let token = |key: &str| {
        let default = defaults.iter().find(|(own, _)| *own == key).map_or("", |(_, token)| *token);
        find(&config.token_or(key, default))
    };
    let (before, after) = if class == "XLMRobertaTokenizer" {
        (token("cls_token"), token("sep_token"))
    } else {
        let adds = |key: &str, default: bool| config.flag(key).unwrap_or(default);
        let begin = token("bos_token").filter(|_| adds("add_bos_token", true));
        (begin, token("eos_token").filter(|_| adds("add_eos_token", false)))
    };
    [before.into_iter().collect(), after.into_iter().collect()]
}

/// Normalisation of a text: its own rules, then spaces.
fn normalizers(spec: &NormalizerSpec, prefix: bool, legacy: bool) -> Value {
    let mut all = Vec::new();
    if let Some(map) = spec.precompiled_charsmap.as_deref().filter(|map| !map.is_empty()) {
        all.push(json!({ "type": "Precompiled", "precompiled_charsmap": STANDARD.encode(map) }));
    }
    let replace = |pattern: &str, content: &str| json!({ "type": "Replace", "pattern": { "Regex": pattern }, "content": content });
    if spec.remove_extra_whitespaces.unwrap_or(true) {
        // The mark of the first word is put only where the text begins, so one space stays to become it.
        let first = if prefix && !legacy { " " } else { "" };
        all.extend([replace("^ +", first), replace(" +$", ""), replace(" {2,}", " ")]);
    }
    if legacy {
        all.extend(prefix.then(|| json!({ "type": "Prepend", "prepend": SPACE })));
        all.push(json!({ "type": "Replace", "pattern": { "String": " " }, "content": SPACE }));
    }
    if all.is_empty() { Value::Null } else { json!({ "type": "Sequence", "normalizers": all }) }
}

/// Marks spaces, and puts one only before a text and not after each special token.
fn spaces_at_the_start(prefix: bool) -> Value {
    let scheme = if prefix { "first" } else { "never" };
    json!({ "type": "Metaspace", "replacement": SPACE, "prepend_scheme": scheme, "split": false })
}

impl Pieces {
    fn new(model: &ModelProto, trainer: &TrainerSpec) -> Self {
        let tokens = model.pieces.iter().map(|piece| piece.piece.clone().unwrap_or_default()).collect();
        let scores = model.pieces.iter().map(|piece| piece.score.unwrap_or_default()).collect();
        let kinds = model.pieces.iter().map(|piece| piece.kind.unwrap_or_default()).enumerate();
        let added = kinds.filter(|(_, kind)| [CONTROL, USER_DEFINED].contains(kind));
        let added = added.map(|(id, kind)| (id, kind == CONTROL)).collect();
        let unknown = usize::try_from(trainer.unk_id.unwrap_or_default()).unwrap_or_default();
        Self { tokens, scores, added, unknown }
    }

    /// The order of ids in fairseq, which XLM-R is trained with; `None` if the first pieces are not those that move.
    fn in_fairseq_order(self) -> Option<Self> {
        if self.tokens.get(..3)? != ["<unk>", "<s>", "</s>"] {
            return None;
        }
        let mut tokens: Vec<String> = ["<s>", "<pad>", "</s>", "<unk>"].map(str::to_owned).into();
        let mut scores = vec![0.0; tokens.len()];
        tokens.extend(self.tokens.into_iter().skip(3));
        scores.extend(self.scores.into_iter().skip(3));
        tokens.push("<mask>".to_owned());
        scores.push(0.0);
        let added = self.added.into_iter().filter(|(id, _)| *id >= 3).map(|(id, special)| (id + 1, special));
        Some(Self { tokens, scores, added: added.collect(), unknown: 3 })
    }

    fn model(&self, trainer: &TrainerSpec) -> Value {
        let bytes = trainer.byte_fallback.unwrap_or(false);
        if trainer.model_type == Some(BPE) {
            let unknown = self.tokens.get(self.unknown).map(String::as_str);
            return piece_model(&self.tokens, &self.scores, unknown, bytes);
        }
        let vocabulary: Vec<(&String, &f32)> = self.tokens.iter().zip(&self.scores).collect();
        json!({ "type": "Unigram", "unk_id": self.unknown, "vocab": vocabulary, "byte_fallback": bytes })
    }
}
