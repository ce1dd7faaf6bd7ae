//! `[model]`: a file, a named family or a list of layers; all become a list of layers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layer::{Activation, Layer};

/// What stands under `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Model {
    /// An architecture file such as `models/cnn_small.toml`.
    File(FileRef),
    /// An architecture in place.
    Inline(Family),
}

/// A reference to an architecture file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Path of the file.
    pub file: String,
}

/// A named family with its sizes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "family", rename_all = "snake_case", deny_unknown_fields)]
pub enum Family {
    /// Linear, activation and dropout for each hidden width.
    Mlp {
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// The function between layers.
        #[serde(default = "relu")]
        activation: Activation,
        /// Probability of zeroing a hidden value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// For each entry of `channels`: conv 3x3, batch norm, activation, max pool 2; then flatten
    /// and one hidden linear layer.
    Cnn {
        /// Channels of each block.
        channels: Vec<usize>,
        /// Width of the linear layer before the head.
        hidden: usize,
        /// The function between layers.
        #[serde(default = "relu")]
        activation: Activation,
        /// Probability of zeroing a hidden value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// Exactly these layers; the head is added.
    Layers {
        /// In order of the forward pass.
        layers: Vec<Layer>,
    },
}

/// An architecture file: a family and what it must come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFile {
    /// The architecture.
    #[serde(flatten)]
    pub family: Family,
    /// What a test checks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// Shapes and size of a network with a head of a given width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Shape of one example.
    pub input: Vec<usize>,
    /// Width of the head.
    pub output: usize,
    /// Number of trained values, head included.
    pub parameters: usize,
}

impl Family {
    /// The family's name as typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mlp { .. } => "mlp",
            Self::Cnn { .. } => "cnn",
            Self::Layers { .. } => "layers",
        }
    }

    /// The layers of the trunk, head excluded.
    pub fn layers(&self) -> Vec<Layer> {
        match self {
            Self::Mlp { hidden, activation, dropout } => {
                hidden.iter().flat_map(|&out| hidden_layer(out, *activation, *dropout)).collect()
            }
            Self::Cnn { channels, hidden, activation, dropout } => {
                let blocks = channels.iter().flat_map(|&out| conv_block(out, *activation));
                let tail = std::iter::once(Layer::Flatten {});
                blocks.chain(tail).chain(hidden_layer(*hidden, *activation, *dropout)).collect()
            }
            Self::Layers { layers } => layers.clone(),
        }
    }
}

fn hidden_layer(out: usize, function: Activation, dropout: f64) -> Vec<Layer> {
    let mut layers = vec![Layer::Linear { out, bias: true }, Layer::Activation { function }];
    if dropout > 0.0 {
        layers.push(Layer::Dropout { p: dropout });
    }
    layers
}

fn conv_block(out: usize, function: Activation) -> [Layer; 4] {
    [
        // The batch norm that follows has the bias.
        Layer::Conv2d { out, kernel: 3, stride: 1, padding: 1, bias: false },
        Layer::BatchNorm {},
        Layer::Activation { function },
        Layer::MaxPool { kernel: 2, stride: None },
    ]
}

fn relu() -> Activation {
    Activation::Relu
}
