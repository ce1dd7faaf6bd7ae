//! Decoders: text generation, with or without a chat template.

use cupola_nn::StateDict;
use cupola_prep::{ChatTemplate, FittedTokenizer, GenerationDefaults, Plan};

use super::CheckedFolder;
use super::chat::chat_template;
use super::folder::vocabulary;
use super::generation::GenerationConfig;
use super::tokenizer::{self, TokenizerConfig};
use crate::error::Error;
use crate::families::{ConversionOptions, EncoderHead, HuggingFaceConfig};
use crate::model::{ImportedModel, TextTask};

/// Maximum number of tokens unless another is asked for: the KV cache of longer texts takes much memory.
const DEFAULT_LENGTH: usize = 2_048;
/// Ends of the classes that generate text.
const GENERATORS: [&str; 2] = ["ForCausalLM", "LMHeadModel"];

/// The parts of a decoder beside its configuration and weights.
pub struct TextDecoder {
    pub tokenizer: FittedTokenizer,
    /// Indices of the tokens that end a text, padding counted.
    pub end_tokens: Vec<u32>,
    pub chat: Option<ChatTemplate>,
    /// Generation options where a request leaves them out.
    pub generation: GenerationDefaults,
}

/// Converts a decoder of transformers.
pub(super) fn convert(checked: &CheckedFolder, max_length: Option<usize>) -> Result<ImportedModel, Error> {
    let CheckedFolder { folder, config, values, .. } = checked;
    checked.check_class(&GENERATORS)?;
    let tokenizer_config = TokenizerConfig::read(folder)?;
    let generation = GenerationConfig::read(folder, values)?;
    let decoder = TextDecoder {
        tokenizer: tokenizer::read(folder, &tokenizer_config, checked.model_type(), false)?,
        end_tokens: generation.end_tokens,
        chat: chat_template(folder, &tokenizer_config)?,
        generation: generation.defaults,
    };
    let (weights, digest) = folder.weights()?;
    decoder.convert(config.clone(), weights, max_length, digest)
}

impl TextDecoder {
    /// Converts the network and joins it with the tokenizer.
    pub fn convert(
        self,
        config: HuggingFaceConfig,
        weights: StateDict,
        max_length: Option<usize>,
        digest: String,
    ) -> Result<ImportedModel, Error> {
        let length = max_length.unwrap_or(DEFAULT_LENGTH).min(config.max_length());
        let most = config.max_length();
        let shorter = (max_length.is_none() && length < most)
            .then(|| format!("takes {length} of {most} tokens; choose another number with --length"));
        let vocabulary = vocabulary(&self.tokenizer, config.vocabulary())?;
        let task = if self.chat.is_some() { TextTask::Chat } else { TextTask::Generation };
        let layers = config.blocks();
        let options = ConversionOptions { length, vocabulary, head: EncoderHead::NextToken };
        let (architecture, weights) = config.into_model(weights, &options)?;
        let plan = Plan::language_model(self.tokenizer, length, self.end_tokens, self.chat, self.generation);
        let notes = shorter.into_iter().collect();
        Ok(ImportedModel { architecture, weights, plan, digest, layers, task, notes })
    }
}
