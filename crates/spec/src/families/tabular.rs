//! Networks for tables: `resnet_tabular`, `ft_transformer` and `tabm`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::families::blocks::{activation, attention, dropout, layer_norm, linear, residual};
use crate::layers::{Activation, Layer, Take};
use crate::model::{Design, Head, TableStem};

/// An embedding of the numbers of a table before they enter a network.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum NumberEmbedding {
    /// Learned cosines and sines of each number, then one linear layer and a `ReLU` that all numbers
    /// share: `PLR(lite)` (Gorishniy et al. 2022, 3.3).
    Periodic {
        /// Number of frequencies for each number.
        #[serde(default = "sixteen")]
        frequencies: usize,
        /// Standard deviation of the frequencies before training.
        #[serde(default = "tenth")]
        sigma: f64,
        /// Width of the embedding of each number.
        #[serde(default = "sixteen")]
        width: usize,
    },
    /// Learned cosines of each number and a linear layer of its own, with the number itself beside them: PBLD
    /// (Holzmüller et al. 2024, C.1).
    Pbld {
        /// Number of frequencies for each number.
        #[serde(default = "sixteen")]
        frequencies: usize,
        /// Standard deviation of the frequencies before training.
        #[serde(default = "tenth")]
        sigma: f64,
        /// Width of the embedding of each number, itself included.
        #[serde(default = "four")]
        width: usize,
    },
    /// No embedding: each number enters as it is scaled.
    None {},
}

fn four() -> usize {
    4
}

fn sixteen() -> usize {
    16
}

fn tenth() -> f64 {
    0.1
}

/// Sizes of a residual network for tables (Gorishniy et al. 2021, 3.2).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ResnetTabularFamily {
    /// Number of blocks.
    pub blocks: usize,
    /// Width of the residual stream.
    pub width: usize,
    /// Width inside a block.
    pub hidden: usize,
    /// Probability of zeroing a hidden value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Embedding of the numbers. Default: none, each number enters as it is scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberEmbedding>,
}

impl Default for ResnetTabularFamily {
    fn default() -> Self {
        Self { blocks: 2, width: 192, hidden: 384, dropout: 0.2, numbers: None }
    }
}

impl ResnetTabularFamily {
    pub(crate) fn design(&self) -> Design {
        let block = || {
            let mut layers = vec![Layer::BatchNorm {}, linear(self.hidden), activation(Activation::Relu)];
            layers.extend(dropout(self.dropout));
            layers.push(linear(self.width));
            residual(layers, 0.0)
        };
        let mut layers = vec![linear(self.width)];
        layers.extend((0..self.blocks).map(|_| block()));
        layers.extend([Layer::BatchNorm {}, activation(Activation::Relu)]);
        Design::from_layers(layers).with_numbers(self.numbers)
    }
}

/// Sizes of a transformer over one token for each column (Gorishniy et al. 2021, 3.3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct FtTransformerFamily {
    /// Number of blocks.
    pub blocks: usize,
    /// Width of a token.
    pub width: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Width inside a block's `ReGLU`. Default: 4/3 of `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
    /// Probability of zeroing an attention weight in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub attention_dropout: f64,
    /// Probability of zeroing a hidden value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

impl Default for FtTransformerFamily {
    fn default() -> Self {
        Self { blocks: 3, width: 64, heads: 8, hidden: None, attention_dropout: 0.2, dropout: 0.1 }
    }
}

impl FtTransformerFamily {
    /// Norm first, except for the first attention; the class token is read.
    pub(crate) fn design(&self) -> Design {
        let width = self.width;
        let hidden = self.hidden.unwrap_or(width * 4 / 3);
        let mut layers = vec![Layer::ClassToken {}];
        for block in 0..self.blocks {
            let mut attend = vec![attention(self.heads, false, self.attention_dropout)];
            if block > 0 {
                attend.insert(0, layer_norm());
            }
            let reglu = Layer::Glu { function: Activation::Relu };
            let mut forward = vec![layer_norm(), linear(2 * hidden), reglu];
            forward.extend(dropout(self.dropout));
            forward.push(linear(width));
            layers.extend([residual(attend, 0.0), residual(forward, 0.0)]);
        }
        layers.extend([
            Layer::Take { at: Take::First, also: Vec::new() },
            layer_norm(),
            activation(Activation::Relu),
        ]);
        Design { table: TableStem::Tokens { width }, ..Design::from_layers(layers) }
    }
}

/// Sizes of an ensemble of perceptrons that share most of their weights (Gorishniy et al. 2024).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TabmFamily {
    /// Number of members.
    pub members: usize,
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Probability of zeroing a hidden value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Embedding of the numbers. Default: none, each number enters as it is scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberEmbedding>,
}

impl Default for TabmFamily {
    /// Sizes of the authors' package, `tabm` 0.0.3, for numbers without an embedding.
    fn default() -> Self {
        Self { members: 32, hidden: vec![512; 3], dropout: 0.1, numbers: None }
    }
}

impl TabmFamily {
    /// Defaults of `[train]`: those of the authors' example, `tabm` 0.0.3.
    pub(crate) fn train_defaults() -> Value {
        json!({
            "batch_size": 256,
            "optimizer": { "kind": "adamw", "learning_rate": 2e-3, "weight_decay": 3e-4 },
            "schedule": { "kind": "constant" },
            "early_stop": { "patience": 16 },
            "epochs": 256,
        })
    }

    /// Gorishniy et al. 2024, 3.2.
    pub(crate) fn design(&self) -> Design {
        let mut layers = vec![Layer::Ensemble { members: self.members }];
        for (index, &out) in self.hidden.iter().enumerate() {
            let linear = Layer::BatchEnsemble { out, signs: index == 0 };
            layers.extend([linear, activation(Activation::Relu)]);
            layers.extend(dropout(self.dropout));
        }
        Design { head: Head::Members, ..Design::from_layers(layers) }.with_numbers(self.numbers)
    }
}
