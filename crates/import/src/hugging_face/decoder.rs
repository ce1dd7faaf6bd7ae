//! Decoders: text generation, with or without a chat template.

use cupola_nn::StateDict;
use cupola_prep::{ChatTemplate, FittedTokenizer, Plan};
use cupola_spec::Take;
use serde::Deserialize;

use super::folder::{ModelFolder, vocabulary};
use crate::error::Error;
use crate::families::{ConversionOptions, EncoderHead, HuggingFaceConfig, Pooling};
use crate::model::{ImportedModel, TextTask};

/// Maximum number of tokens unless another is asked for: the KV cache of longer texts takes much memory.
const DEFAULT_LENGTH: usize = 2_048;

/// The part of `config.json` and `generation_config.json` that names the end-of-text tokens.
#[derive(Default, Deserialize)]
struct EndTokens {
    #[serde(default)]
    eos_token_id: Option<OneOrMany<u32>>,
}

/// `tokenizer_config.json`
#[derive(Default, Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    chat_template: Option<OneOrMany<TemplateEntry>>,
    #[serde(default)]
    bos_token: Option<Token>,
    #[serde(default)]
    eos_token: Option<Token>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    fn into_vec(self) -> Vec<T> {
        match self {
            Self::One(one) => vec![one],
            Self::Many(many) => many,
        }
    }
}

/// A template, or one of several with names.
#[derive(Deserialize)]
#[serde(untagged)]
enum TemplateEntry {
    Plain(String),
    Named { name: String, template: String },
}

/// A token's text, alone or with its flags.
#[derive(Deserialize)]
#[serde(untagged)]
enum Token {
    Plain(String),
    Flagged { content: String },
}

/// The parts of a decoder beside its configuration and weights.
pub struct TextDecoder {
    pub tokenizer: FittedTokenizer,
    /// Indices of the tokens that end a text, padding counted.
    pub end_tokens: Vec<u32>,
    pub chat: Option<ChatTemplate>,
}

impl TextDecoder {
    pub(super) fn read(folder: &ModelFolder<'_>) -> Result<Self, Error> {
        let ends: Option<EndTokens> = folder.optional("generation_config.json")?;
        let ends = match ends.and_then(|ends| ends.eos_token_id) {
            Some(ends) => Some(ends),
            None => folder.optional::<EndTokens>("config.json")?.and_then(|ends| ends.eos_token_id),
        };
        let ends = ends.map(OneOrMany::into_vec).unwrap_or_default();
        let end_tokens = ends.into_iter().map(|id| id.saturating_add(1)).collect();
        Ok(Self { tokenizer: folder.tokenizer()?, end_tokens, chat: chat(folder)? })
    }

    /// Converts the network and joins it with the tokenizer.
    pub fn convert(
        self,
        config: HuggingFaceConfig,
        weights: StateDict,
        max_length: Option<usize>,
        digest: String,
    ) -> Result<ImportedModel, Error> {
        let length = max_length.unwrap_or(DEFAULT_LENGTH).min(config.max_length());
        let vocabulary = vocabulary(&self.tokenizer, config.vocabulary())?;
        let task = if self.chat.is_some() { TextTask::Chat } else { TextTask::Generation };
        let layers = config.blocks();
        let head = EncoderHead::Embedding(Pooling { take: Take::Mean, normalize: false });
        let options = ConversionOptions { length, vocabulary, head };
        let (architecture, weights) = config.into_model(weights, &options)?;
        let plan = Plan::language_model(self.tokenizer, length, self.end_tokens, self.chat);
        Ok(ImportedModel { architecture, weights, plan, digest, layers, task })
    }
}

/// Chat template of the folder, if it has one.
fn chat(folder: &ModelFolder<'_>) -> Result<Option<ChatTemplate>, Error> {
    let config: TokenizerConfig = folder.optional("tokenizer_config.json")?.unwrap_or_default();
    let content = |token: Option<Token>| match token {
        Some(Token::Plain(content) | Token::Flagged { content }) => content,
        None => String::new(),
    };
    let templates = config.chat_template.map(OneOrMany::into_vec).unwrap_or_default();
    let mut default = None;
    for template in templates {
        match template {
            TemplateEntry::Plain(template) => default = Some(template),
            TemplateEntry::Named { name, template } if name == "default" => default = Some(template),
            TemplateEntry::Named { .. } => {}
        }
    }
    // Newer models have a file for it, which takes precedence.
    let template = folder.text("chat_template.jinja").or(default);
    let (begin, end) = (content(config.bos_token), content(config.eos_token));
    Ok(template.map(|template| ChatTemplate { template, begin, end }))
}
