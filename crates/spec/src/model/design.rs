//! What a family comes to: its trunk as a list of layers, how inputs enter it and how it answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::families::{autoencoder, cnn, mlp, residual, tabular, time};
use crate::layers::{Init, Layer, LayerContract, WeightSpec, work};
use crate::model::Numbers;
use crate::model::{Family, Lora};

/// What a family comes to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// How the columns of a table enter.
    pub table: TableStem,
    /// Width of a text's token embeddings.
    pub token_width: usize,
    /// The trunk, head excluded.
    pub layers: Vec<Layer>,
    /// How the head reads what the trunk gives.
    pub head: Head,
    /// Names of modules that differ from `trunk.0`, `trunk.1.layers.0` and so on, by those.
    pub names: BTreeMap<String, String>,
    /// Whether a window's own mean and deviation are taken out of it and put back on the forecast.
    #[serde(default)]
    pub reversible: bool,
    /// Small matrices that are trained in place of the trunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
}

/// How the columns of a table enter a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TableStem {
    /// Side by side: numbers, one-hot columns, embeddings; `[width]`.
    #[default]
    Concat,
    /// The same, with each number through cosines and sines first; see [`Numbers::Periodic`].
    Periodic {
        /// Frequencies for each number.
        frequencies: usize,
        /// Deviation that the frequencies are drawn with.
        sigma: f64,
        /// Width for each number.
        width: usize,
    },
    /// One token for each column: `[columns, width]`.
    Tokens {
        /// Width of a token.
        width: usize,
    },
}

/// How the head reads what the trunk gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// One linear layer on a vector.
    #[default]
    Vector,
    /// One linear layer for each member of an ensemble, `[members, width]`; probabilities (or
    /// numbers) are averaged.
    Members,
    /// One linear layer on each step of a sequence: the next token.
    Steps,
    /// No layer: the vector itself is the answer, an embedding.
    Identity,
}

impl Head {
    /// Contract of the head with `output` logits behind a trunk that returns `input`; `None` if the head
    /// does not accept that shape.
    pub fn contract(self, input: &[usize], output: usize) -> Option<LayerContract> {
        match (self, input) {
            (Self::Vector, &[_]) | (Self::Steps, &[_, _]) => {
                Layer::Linear { out: output, bias: true }.contract(input).ok()
            }
            (Self::Members, &[members, width]) => {
                let init = Init::Uniform { fan_in: width };
                let weights = vec![
                    WeightSpec::new("weight", [members, width, output], init),
                    WeightSpec::new("bias", [members, output], init),
                ];
                let multiply_adds = work(&[members as u64, width as u64, output as u64]);
                Some(LayerContract::new(vec![members, output], weights, multiply_adds))
            }
            (Self::Identity, &[width]) if width == output => Some(LayerContract::moves(vec![width])),
            _ => None,
        }
    }
}

impl Design {
    pub(crate) fn of_layers(layers: Vec<Layer>) -> Self {
        Self {
            table: TableStem::Concat,
            token_width: 64,
            layers,
            head: Head::Vector,
            names: BTreeMap::new(),
            reversible: false,
            lora: None,
        }
    }

    /// These layers over texts whose tokens are `token_width` wide.
    pub fn of(layers: Vec<Layer>, token_width: usize) -> Self {
        Self::of_layers(layers).with_tokens(token_width)
    }

    pub(crate) fn with_numbers(mut self, numbers: Option<Numbers>) -> Self {
        if let Some(Numbers::Periodic { frequencies, sigma, width }) = numbers {
            self.table = TableStem::Periodic { frequencies, sigma, width };
        }
        self
    }

    pub(crate) fn with_tokens(mut self, width: usize) -> Self {
        self.token_width = width;
        self
    }
}

impl Family {
    /// The trunk and what stands around it.
    pub fn design(&self) -> Design {
        match *self {
            Self::Mlp { ref hidden, activation, dropout, numbers } => {
                Design::of_layers(mlp(hidden, activation, dropout)).with_numbers(numbers)
            }
            Self::Cnn { ref channels, hidden, activation, dropout } => {
                Design::of_layers(cnn(channels, hidden, activation, dropout))
            }
            Self::ResnetTabular { blocks, width, hidden, dropout, numbers } => {
                Design::of_layers(tabular::resnet(blocks, width, hidden, dropout)).with_numbers(numbers)
            }
            Self::FtTransformer { blocks, width, heads, hidden, attention_dropout, dropout } => {
                let hidden = hidden.unwrap_or(width * 4 / 3);
                let layers =
                    tabular::ft_transformer(blocks, width, heads, hidden, attention_dropout, dropout);
                Design { table: TableStem::Tokens { width }, ..Design::of_layers(layers) }
            }
            Self::Tabm { members, ref hidden, dropout, numbers } => {
                let layers = tabular::tabm(members, hidden, dropout);
                Design { head: Head::Members, ..Design::of_layers(layers) }.with_numbers(numbers)
            }
            Self::Resnet { depth, width, stem, drop_path } => {
                let (layers, names) = residual::resnet(depth, width, stem, drop_path);
                Design { names, ..Design::of_layers(layers) }
            }
            Self::Vit { patch, blocks, width, heads, dropout, drop_path } => {
                Design::of_layers(time::vit(patch, blocks, width, heads, dropout, drop_path))
            }
            Self::Lstm(ref sizes) => {
                Design::of_layers(time::recurrent(crate::Cell::Lstm, sizes)).with_tokens(sizes.width)
            }
            Self::Gru(ref sizes) => {
                Design::of_layers(time::recurrent(crate::Cell::Gru, sizes)).with_tokens(sizes.width)
            }
            Self::Tcn { ref channels, kernel, dropout } => {
                Design::of_layers(time::tcn(channels, kernel, dropout))
            }
            Self::TextTransformer { blocks, width, heads, dropout } => {
                Design::of_layers(time::text_transformer(blocks, width, heads, dropout)).with_tokens(width)
            }
            Self::Gpt { blocks, width, heads, dropout } => {
                let layers = time::gpt(blocks, width, heads, dropout);
                Design { head: Head::Steps, ..Design::of_layers(layers) }.with_tokens(width)
            }
            Self::Llama { blocks, width, heads, kv_heads, hidden } => {
                let layers = time::llama(blocks, width, heads, kv_heads, hidden.unwrap_or(width * 8 / 3));
                Design { head: Head::Steps, ..Design::of_layers(layers) }.with_tokens(width)
            }
            Self::Dlinear { kernel } => Design::of_layers(time::dlinear(kernel)),
            Self::Patchtst { patch, stride, blocks, width, heads, dropout } => {
                let layers = time::patchtst([patch, stride], blocks, width, heads, dropout);
                Design { reversible: true, ..Design::of_layers(layers) }
            }
            Self::Autoencoder { ref hidden, code, activation, dropout } => {
                Design::of_layers(autoencoder(hidden, code, activation, dropout))
            }
            // Trees have no layers; a package of them is not built from a design.
            Self::Gbdt(_) | Self::RandomForest(_) => Design::of_layers(Vec::new()),
            Self::Layers { ref layers, token_width, ref names } => {
                Design { names: names.clone(), ..Design::of(layers.clone(), token_width) }
            }
        }
    }
}
