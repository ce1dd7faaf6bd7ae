//! Model families of Hugging Face: `config.json` and weights as an architecture and Cupola's names, and back.

mod bert;
mod distilbert;
mod gpt2;
mod llama;
mod roberta;
mod weights;

use cupola_nn::{Architecture, StateDict};
use cupola_spec::{Activation, Take};
use serde::{Deserialize, Serialize};

use crate::error::Error;

pub use self::bert::BertConfig;
pub use self::distilbert::DistilBertConfig;
pub use self::gpt2::Gpt2Config;
pub use self::llama::{LlamaConfig, RopeParameters};

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
    /// `RoBERTa`, a BERT with two unused positions (Liu et al. 2019).
    Roberta(BertConfig),
    /// GPT-2, a decoder with learned positions (Radford et al. 2019).
    Gpt2(Gpt2Config),
    /// Llama, a decoder with rotary positions (Touvron et al. 2023).
    Llama(LlamaConfig),
    /// Mistral, a Llama with a sliding window (Jiang et al. 2023).
    Mistral(LlamaConfig),
    /// Qwen2, a Llama with biases on queries, keys and values (Yang et al. 2024).
    Qwen2(LlamaConfig),
}

/// Choices of a conversion that `config.json` leaves open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConversionOptions {
    /// Tokens of a text; longer than the model's own maximum has no effect.
    pub length: usize,
    /// Tokens of the tokenizer, at most those of the weights.
    pub vocabulary: usize,
    /// Output of an encoder; decoders ignore it.
    pub head: EncoderHead,
}

/// Output of an encoder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderHead {
    /// One vector for each text.
    Embedding(Pooling),
    /// Logits of classes, read from the first token's vector.
    Classes {
        /// Number of classes, at least two.
        count: usize,
    },
}

/// Reduction of the tokens' vectors to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    /// The first token, the last one, or the mean.
    pub take: Take,
    /// `true` if the vector is scaled to length 1.
    pub normalize: bool,
}

impl HuggingFaceConfig {
    /// Architecture and weights of this model, converted to Cupola's layers, names and layouts. The output is the
    /// encoder's [`EncoderHead`], or a decoder's logits of the next token. Token `i` of the model is `i + 1`; 0 is
    /// padding.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for operations that no layer provides and for absurd sizes; [`Error::Network`] for
    /// missing, unexpected or misshapen weights.
    pub fn into_model(
        self,
        weights: StateDict,
        options: &ConversionOptions,
    ) -> Result<(Architecture, StateDict), Error> {
        let (config, weights, pooler) = match self {
            Self::Bert(config) => (config, weights, Activation::Tanh),
            Self::Roberta(config) => {
                let (config, weights) = roberta::to_bert(&config, weights);
                (config, weights, Activation::Tanh)
            }
            Self::DistilBert(config) => {
                let (config, weights) = config.to_bert(weights);
                (config, weights, Activation::Relu)
            }
            Self::Gpt2(config) => return config.convert(weights, options.length, options.vocabulary),
            Self::Llama(config) | Self::Mistral(config) | Self::Qwen2(config) => {
                return config.convert(weights, options.length, options.vocabulary);
            }
        };
        let config = BertConfig { vocab_size: options.vocabulary, ..config };
        match options.head {
            EncoderHead::Embedding(pooling) => config.convert_embedding(weights, options.length, pooling),
            EncoderHead::Classes { count } => {
                config.convert_classifier(weights, options.length, count, pooler)
            }
        }
    }

    /// `true` for a model that generates text.
    pub fn is_decoder(&self) -> bool {
        match self {
            Self::Bert(_) | Self::DistilBert(_) | Self::Roberta(_) => false,
            Self::Gpt2(_) | Self::Llama(_) | Self::Mistral(_) | Self::Qwen2(_) => true,
        }
    }

    /// Maximum number of tokens of a text.
    pub fn max_length(&self) -> usize {
        match self {
            Self::Bert(config) => config.max_position_embeddings,
            Self::Roberta(config) => config.max_position_embeddings.saturating_sub(roberta::UNUSED_POSITIONS),
            Self::DistilBert(config) => config.max_position_embeddings,
            Self::Gpt2(config) => config.n_positions,
            Self::Llama(config) | Self::Mistral(config) | Self::Qwen2(config) => {
                config.max_position_embeddings
            }
        }
    }

    /// Number of tokens that the embeddings have rows for.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Bert(config) | Self::Roberta(config) => config.vocab_size,
            Self::DistilBert(config) => config.vocab_size,
            Self::Gpt2(config) => config.vocab_size,
            Self::Llama(config) | Self::Mistral(config) | Self::Qwen2(config) => config.vocab_size,
        }
    }

    /// Number of transformer blocks.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Bert(config) | Self::Roberta(config) => config.num_hidden_layers,
            Self::DistilBert(config) => config.n_layers,
            Self::Gpt2(config) => config.n_layer,
            Self::Llama(config) | Self::Mistral(config) | Self::Qwen2(config) => config.num_hidden_layers,
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
