//! Networks of Hugging Face: their `config.json` and names as an architecture and ours, and back.

mod bert;
mod gpt2;
mod llama;
mod relatives;

use cupola_spec::{Activation, Block, Design};
use serde::{Deserialize, Serialize};

use crate::architecture::{Architecture, Average};
use crate::error::Error;
use crate::source::Source;
use crate::state_dict::{Array, StateDict};

pub use self::bert::{Bert, Classes, Pooling};
pub use self::gpt2::Gpt2;
pub use self::llama::{Llama, RopeParameters};
pub use self::relatives::DistilBert;

/// `config.json` of a model, as far as it tells the network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "model_type", rename_all = "snake_case")]
pub enum HuggingFace {
    /// An encoder (Devlin et al. 2019).
    Bert(Bert),
    /// A smaller one (Sanh et al. 2019).
    #[serde(rename = "distilbert")]
    DistilBert(DistilBert),
    /// One with other positions (Liu et al. 2019).
    Roberta(Bert),
    /// A decoder with learned positions (Radford et al. 2019).
    Gpt2(Gpt2),
    /// A decoder (Touvron et al. 2023).
    Llama(Llama),
    /// The same (Jiang et al. 2023).
    Mistral(Llama),
    /// The same, with biases on queries, keys and values (Yang et al. 2024).
    Qwen2(Llama),
}

/// What a model is, with its weights under that one's names.
#[derive(Debug)]
pub enum Known {
    /// A BERT, and the function that stands before its classes.
    Encoder(Bert, Activation, StateDict),
    /// One that goes on with a text.
    Decoder(Decoder, StateDict),
}

impl HuggingFace {
    /// One of the networks that all of them are.
    pub fn known(self, weights: StateDict) -> Known {
        match self {
            Self::Bert(sizes) => Known::Encoder(sizes, Activation::Tanh, weights),
            Self::Roberta(sizes) => {
                let (sizes, weights) = relatives::roberta(sizes, weights);
                Known::Encoder(sizes, Activation::Tanh, weights)
            }
            Self::DistilBert(sizes) => {
                let (sizes, weights) = sizes.bert(weights);
                Known::Encoder(sizes, Activation::Relu, weights)
            }
            Self::Gpt2(sizes) => Known::Decoder(Decoder::Gpt2(sizes), weights),
            Self::Llama(sizes) | Self::Mistral(sizes) | Self::Qwen2(sizes) => {
                Known::Decoder(Decoder::Llama(sizes), weights)
            }
        }
    }
}

/// A decoder of either kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Decoder {
    /// With learned positions.
    Gpt2(Gpt2),
    /// With rotary ones.
    Llama(Llama),
}

impl Decoder {
    /// Tokens of a text at most.
    pub fn length(&self) -> usize {
        match self {
            Self::Gpt2(sizes) => sizes.n_positions,
            Self::Llama(sizes) => sizes.max_position_embeddings,
        }
    }

    /// Tokens that the weights know.
    pub fn vocabulary(&self) -> usize {
        match self {
            Self::Gpt2(sizes) => sizes.vocab_size,
            Self::Llama(sizes) => sizes.vocab_size,
        }
    }

    /// Its blocks.
    pub fn blocks(&self) -> usize {
        match self {
            Self::Gpt2(sizes) => sizes.n_layer,
            Self::Llama(sizes) => sizes.num_hidden_layers,
        }
    }

    /// As [`Llama::import`].
    ///
    /// # Errors
    /// As there.
    pub fn import(
        &self,
        weights: StateDict,
        length: usize,
        vocabulary: usize,
    ) -> Result<(Architecture, StateDict), Error> {
        match self {
            Self::Gpt2(sizes) => sizes.import(weights, length, vocabulary),
            Self::Llama(sizes) => sizes.import(weights, length, vocabulary),
        }
    }
}

/// The largest size that any network has: what a damaged file says is refused before memory is taken for it.
const MOST: usize = 1 << 24;
/// The largest number of blocks.
const MOST_BLOCKS: usize = 1 << 12;

/// Refuses sizes beyond any network's.
fn bounded(blocks: usize, sizes: &[(&str, usize)]) -> Result<(), Error> {
    let blocks = [("num_hidden_layers", blocks)].into_iter().find(|(_, blocks)| *blocks > MOST_BLOCKS);
    let wrong = blocks.or_else(|| sizes.iter().copied().find(|(_, size)| *size > MOST));
    wrong.map_or(Ok(()), |(name, size)| Err(Error::Unsupported { what: format!("`{name}` of {size}") }))
}

/// A weight, under its name or that with the model's own before it.
fn taken(weights: &mut StateDict, model: &str, name: &str) -> Result<Array, Error> {
    let found = weights.remove(name).or_else(|| weights.remove(&format!("{model}.{name}")));
    found.ok_or_else(|| Error::Missing { name: name.to_owned() })
}

/// The network of a design for texts, with its weights, which are as many as the sizes in `config.json` say.
fn network(
    family: &str,
    design: &Design,
    text: Block,
    output: usize,
    average: Average,
    weights: StateDict,
) -> Result<(Architecture, StateDict), Error> {
    let architecture = Architecture::new(family, design, vec![Source::of(design, text)], output, average)?;
    let found = weights.names().filter_map(|name| weights.get(name)).map(|array| array.data.len()).sum();
    let expected = architecture.parameters()?;
    if found == expected {
        return Ok((architecture, weights));
    }
    Err(Error::WeightShape { name: "of all layers".to_owned(), expected: vec![expected], found: vec![found] })
}

/// Rows of the first `vocabulary` tokens, after one of zeros for padding: token `i` of theirs is `i + 1` here.
fn padded(mut array: Array, vocabulary: usize, width: usize) -> Result<Array, Error> {
    if array.data.len() < vocabulary * width {
        return Err(Error::WeightShape {
            name: "of the tokens".to_owned(),
            expected: vec![vocabulary, width],
            found: array.shape,
        });
    }
    array.data.truncate(vocabulary * width);
    array.data.splice(0..0, std::iter::repeat_n(0.0, width));
    array.shape = vec![vocabulary + 1, width];
    Ok(array)
}

/// A decoder's tokens and its head, `[vocabulary, width]`; the head is the tokens' where there is none.
fn ends(
    ours: &mut StateDict,
    tokens: Array,
    head: Option<Array>,
    [vocabulary, width]: [usize; 2],
) -> Result<(), Error> {
    let tokens = padded(tokens, vocabulary, width)?;
    let head = head.map_or_else(|| Ok(tokens.clone()), |head| padded(head, vocabulary, width))?;
    ours.insert("tokens.weight".into(), tokens);
    ours.insert("head.weight".into(), head);
    ours.insert("head.bias".into(), Array { shape: vec![vocabulary + 1], data: vec![0.0; vocabulary + 1] });
    Ok(())
}

fn gelu() -> Activation {
    Activation::Gelu
}
