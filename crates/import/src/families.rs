//! Model families of Hugging Face: `config.json` and weights as an architecture and Cupola's names, and back.

mod bert;
mod distilbert;
mod embedding;
mod gpt2;
mod keys;
mod llama;
mod modernbert;
mod roberta;
mod weights;

use cupola_nn::{Architecture, StateDict};
use cupola_spec::Activation;
use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use self::bert::BertConfig;
pub use self::distilbert::DistilBertConfig;
pub use self::embedding::{EmbeddingHead, Pooling};
pub use self::gpt2::Gpt2Config;
pub use self::keys::check_keys;
pub use self::llama::{LlamaConfig, LlamaVariant, RopeParameters, RopeSettings};
pub use self::modernbert::ModernBertConfig;

/// Largest size that any network has: larger ones, from damaged files, are refused before memory is taken for them.
const MAX_SIZE: usize = 1 << 24;
/// Largest number of transformer blocks.
const MAX_BLOCKS: usize = 1 << 12;

/// The part of a model's `config.json` that determines its network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model_type", rename_all = "snake_case")]
pub enum HuggingFaceConfig {
    /// BERT, an encoder (Devlin et al. 2019).
    Bert(BertConfig),
    /// `DistilBERT`, a BERT with half of the blocks (Sanh et al. 2019).
    #[serde(rename = "distilbert")]
    DistilBert(DistilBertConfig),
    /// `RoBERTa`, a BERT with two unused positions (Liu et al. 2019), and XLM-R and `CamemBERT`, which are trained on
    /// other texts.
    #[serde(alias = "xlm-roberta", alias = "camembert")]
    Roberta(BertConfig),
    /// `ModernBERT`, an encoder with rotary positions and local attention (Warner et al. 2024).
    #[serde(rename = "modernbert")]
    ModernBert(ModernBertConfig),
    /// GPT-2, a decoder with learned positions (Radford et al. 2019).
    Gpt2(Gpt2Config),
    /// Llama, a decoder with rotary positions (Touvron et al. 2023).
    Llama(LlamaConfig),
    /// Mistral, a Llama with a sliding window (Jiang et al. 2023).
    Mistral(LlamaConfig),
    /// Qwen2, a Llama with biases on queries, keys and values (Yang et al. 2024).
    Qwen2(LlamaConfig),
    /// Qwen3, a Llama with norms of queries and keys (Yang et al. 2025).
    Qwen3(LlamaConfig),
    /// Gemma, a Llama with scaled embeddings (Mesnard et al. 2024).
    Gemma(LlamaConfig),
    /// Gemma 2, with norms after each branch and bounded scores and logits (Riviere et al. 2024).
    Gemma2(LlamaConfig),
    /// The text model of Gemma 3, with local and global blocks (Kamath et al. 2025).
    Gemma3Text(LlamaConfig),
    /// Phi-3, a Llama with joined linear maps (Abdin et al. 2024).
    Phi3(LlamaConfig),
}

/// Choices of a conversion that `config.json` leaves open.
#[derive(Debug, Clone, PartialEq)]
pub struct ConversionOptions {
    /// Tokens of a text; longer than the model's own maximum has no effect.
    pub length: usize,
    /// Tokens of the tokenizer, at most those of the weights.
    pub vocabulary: usize,
    /// Output of the network.
    pub head: EncoderHead,
}

/// Output of an encoder, or of a decoder.
#[derive(Debug, Clone, PartialEq)]
pub enum EncoderHead {
    /// Logits of the next token, of a decoder.
    NextToken,
    /// One vector for each text.
    Embedding(EmbeddingHead),
    /// Logits of classes, read from the first token's vector. Decoders give those of the next token instead.
    Classes {
        /// Number of classes, at least two.
        count: usize,
    },
}

impl HuggingFaceConfig {
    /// Architecture and weights of this model, converted to Cupola's layers, names and layouts. Token `i` of the model
    /// is `i + 1`; 0 is padding.
    ///
    /// # Errors
    /// [`Error::UnsupportedKey`] and [`Error::Unsupported`] for operations that no layer provides and for absurd sizes;
    /// [`Error::Network`] for missing, unexpected or misshapen weights.
    pub fn into_model(
        self,
        weights: StateDict,
        options: &ConversionOptions,
    ) -> Result<(Architecture, StateDict), Error> {
        let (length, vocabulary) = (options.length, options.vocabulary);
        if let Some((config, variant)) = self.llama() {
            return config.convert(variant, weights, (length, vocabulary), &options.head);
        }
        let (config, weights, pooler) = match self {
            Self::Gpt2(config) => return config.convert(weights, (length, vocabulary), &options.head),
            Self::ModernBert(config) => {
                return config.convert(weights, (length, vocabulary), &options.head);
            }
            Self::Bert(config) => (config, weights, Activation::Tanh),
            Self::Roberta(config) => {
                let (config, weights) = roberta::to_bert(&config, weights);
                (config, weights, Activation::Tanh)
            }
            Self::DistilBert(config) => {
                let (config, weights) = config.to_bert(weights);
                (config, weights, Activation::Relu)
            }
            // `llama` has returned every other decoder.
            _ => return Err(Error::Unsupported { what: "no layers for this kind of model".to_owned() }),
        };
        match &options.head {
            EncoderHead::NextToken => {
                Err(Error::Unsupported { what: "an encoder does not generate text".to_owned() })
            }
            EncoderHead::Embedding(head) => config.convert_embedding(weights, length, vocabulary, head),
            EncoderHead::Classes { count } => {
                config.convert_classifier(weights, length, vocabulary, (*count, pooler))
            }
        }
    }

    /// Configuration of a Llama and the model that it is of; `None` for other families.
    fn llama(&self) -> Option<(&LlamaConfig, LlamaVariant)> {
        Some(match self {
            Self::Llama(config) => (config, LlamaVariant::Llama),
            Self::Mistral(config) => (config, LlamaVariant::Mistral),
            Self::Qwen2(config) => (config, LlamaVariant::Qwen2),
            Self::Qwen3(config) => (config, LlamaVariant::Qwen3),
            Self::Gemma(config) => (config, LlamaVariant::Gemma),
            Self::Gemma2(config) => (config, LlamaVariant::Gemma2),
            Self::Gemma3Text(config) => (config, LlamaVariant::Gemma3),
            Self::Phi3(config) => (config, LlamaVariant::Phi3),
            Self::Bert(_) | Self::DistilBert(_) | Self::Roberta(_) | Self::ModernBert(_) | Self::Gpt2(_) => {
                return None;
            }
        })
    }

    /// `true` for a model that generates text.
    pub fn is_decoder(&self) -> bool {
        matches!(self, Self::Gpt2(_)) || self.llama().is_some()
    }

    /// Maximum number of tokens of a text.
    pub fn max_length(&self) -> usize {
        match self {
            Self::Bert(config) => config.max_position_embeddings,
            Self::Roberta(config) => config.max_position_embeddings.saturating_sub(roberta::UNUSED_POSITIONS),
            Self::DistilBert(config) => config.max_position_embeddings,
            Self::ModernBert(config) => config.max_position_embeddings,
            Self::Gpt2(config) => config.n_positions,
            _ => self.llama().map_or(0, |(config, _)| config.max_position_embeddings),
        }
    }

    /// Number of tokens that the embeddings have rows for.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bert(config) | Self::Roberta(config) => config.vocab_size,
            Self::DistilBert(config) => config.vocab_size,
            Self::ModernBert(config) => config.vocab_size,
            Self::Gpt2(config) => config.vocab_size,
            _ => self.llama().map_or(0, |(config, _)| config.vocab_size),
        }
    }

    /// Width of a token's vector.
    pub fn width(&self) -> usize {
        match self {
            Self::Bert(config) | Self::Roberta(config) => config.hidden_size,
            Self::DistilBert(config) => config.dim,
            Self::ModernBert(config) => config.hidden_size,
            Self::Gpt2(config) => config.n_embd,
            _ => self.llama().map_or(0, |(config, _)| config.hidden_size),
        }
    }

    /// Number of transformer blocks.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Bert(config) | Self::Roberta(config) => config.num_hidden_layers,
            Self::DistilBert(config) => config.n_layers,
            Self::ModernBert(config) => config.num_hidden_layers,
            Self::Gpt2(config) => config.n_layer,
            _ => self.llama().map_or(0, |(config, _)| config.num_hidden_layers),
        }
    }
}

/// Refuses sizes beyond those of any network.
fn check_sizes(blocks: usize, sizes: &[(&str, usize)]) -> Result<(), Error> {
    let blocks = [("num_hidden_layers", blocks)].into_iter().find(|(_, blocks)| *blocks > MAX_BLOCKS);
    let excessive = blocks.or_else(|| sizes.iter().copied().find(|(_, size)| *size > MAX_SIZE));
    excessive.map_or(Ok(()), |(name, size)| Err(Error::Unsupported { what: format!("`{name}` is {size}") }))
}

fn gelu() -> Activation {
    Activation::Gelu
}

#[cfg(test)]
mod tests;
