//! The design of a network: the list of layers that a family expands to, how inputs enter it and how it
//! answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::families::NumberEmbedding;
use crate::inputs::Scaling;
use crate::layers::{Init, Layer, LayerContract, WeightSpec, work};
use crate::model::Lora;

/// A network up to the sizes that come from the data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Design {
    /// Entry of the columns of a table into the trunk.
    pub table: TableStem,
    /// Width of a text's token embeddings.
    pub token_width: usize,
    /// Layers of the trunk, without the head.
    pub layers: Vec<Layer>,
    /// Head, which reads the output of the trunk.
    pub head: Head,
    /// Names of modules that differ from their places `trunk.0`, `trunk.1.layers.0` and so on: a map from
    /// place to name.
    pub names: BTreeMap<String, String>,
    /// `true` if the mean and deviation of each window are removed from the inputs and restored in the
    /// forecast.
    #[serde(default)]
    pub reversible: bool,
    /// Low-rank adapters that are trained in place of the trunk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
    /// Encoding of a table's columns where an input does not state it.
    #[serde(default)]
    pub columns: ColumnDefaults,
    /// `true` if training sets the linear layers of trunk and head from training rows before its first step
    /// (Holzmüller et al. 2024, C.1).
    #[serde(default)]
    pub data_start: bool,
    /// `true` if the predictions of numbers are clipped to the range of the training rows.
    #[serde(default)]
    pub clip_output: bool,
}

/// Encoding of a table's columns that a network expects where an input does not state it.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct ColumnDefaults {
    /// Scaling of numbers; `None` for the general default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scaling>,
    /// Largest number of values of a category that is one-hot; `None` for the general default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_hot: Option<usize>,
    /// Width of the embedding of a category; `None` for one by its number of values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub embedding: Option<usize>,
}

/// Entry of the columns of a table into a trunk.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum TableStem {
    /// Side by side: numbers, one-hot columns, embeddings; `[width]`.
    #[default]
    Concat,
    /// Side by side, with a periodic embedding of each number; see [`NumberEmbedding::Periodic`].
    Periodic {
        /// Number of frequencies for each number.
        frequencies: usize,
        /// Standard deviation of the frequencies before training.
        sigma: f64,
        /// Width of the embedding of each number.
        width: usize,
    },
    /// Side by side, with a wave embedding of each number and the number itself; see
    /// [`NumberEmbedding::Pbld`].
    Pbld {
        /// Number of frequencies for each number.
        frequencies: usize,
        /// Standard deviation of the frequencies before training.
        sigma: f64,
        /// Width of the embedding of each number, itself included.
        width: usize,
    },
    /// One token for each column: `[columns, width]`.
    Tokens {
        /// Width of a token.
        width: usize,
    },
}

/// The last layer, and the trunk output that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// One linear layer on a vector.
    #[default]
    Vector,
    /// One linear layer for each member of an ensemble, `[members, width]`. Their probabilities or
    /// numbers are averaged.
    Members,
    /// One linear layer on each step of a sequence, for the next token.
    Steps,
    /// No layer: the vector itself is the prediction, an embedding.
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
    pub(crate) fn from_layers(layers: Vec<Layer>) -> Self {
        Self {
            table: TableStem::Concat,
            token_width: 64,
            layers,
            head: Head::Vector,
            names: BTreeMap::new(),
            reversible: false,
            lora: None,
            columns: ColumnDefaults::default(),
            data_start: false,
            clip_output: false,
        }
    }

    /// A trunk of `layers` with token embeddings of width `token_width`.
    pub fn of(layers: Vec<Layer>, token_width: usize) -> Self {
        Self::from_layers(layers).with_tokens(token_width)
    }

    pub(crate) fn with_numbers(mut self, numbers: Option<NumberEmbedding>) -> Self {
        self.table = match numbers {
            Some(NumberEmbedding::Periodic { frequencies, sigma, width }) => {
                TableStem::Periodic { frequencies, sigma, width }
            }
            Some(NumberEmbedding::Pbld { frequencies, sigma, width }) => {
                TableStem::Pbld { frequencies, sigma, width }
            }
            Some(NumberEmbedding::None {}) | None => self.table,
        };
        self
    }

    pub(crate) fn with_tokens(mut self, width: usize) -> Self {
        self.token_width = width;
        self
    }
}
