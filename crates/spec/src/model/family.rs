//! `[model]`: a file, a named family or a list of layers; all become a list of layers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::{Activation, Layer};
use crate::model::{Bagging, Boosting, Depth, ImageStem, Numbers, Recurrence, TreesSpec};

/// What stands under `[model]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Model {
    /// An architecture file such as `models/cnn_small.toml`.
    File(FileRef),
    /// A published model to train further.
    Package(PackageRef),
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

/// A package whose network, weights and tokenizer training starts from; the head is made anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageRef {
    /// `NAME`, `NAME@ALIAS` or `NAME:VERSION`.
    pub package: String,
    /// Train small matrices beside those of the attention layers, which stay as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
}

/// Low-rank adaptation of the queries and values of attention layers (Hu et al. 2022). What is
/// published has the product added to the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Of the product of the two matrices.
    #[schemars(range(min = 1))]
    pub rank: usize,
    /// The product counts by `alpha / rank`.
    #[serde(default = "sixteen_times")]
    pub alpha: f64,
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
        /// How numbers enter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numbers: Option<Numbers>,
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
    /// Residual blocks for tables, `x + dropout(linear(dropout(relu(linear(norm(x))))))`
    /// (Gorishniy et al. 2021, 3.2).
    ResnetTabular {
        /// Number of blocks.
        #[serde(default = "two")]
        blocks: usize,
        /// Width of the residual stream.
        #[serde(default = "wide")]
        width: usize,
        /// Width inside a block.
        #[serde(default = "wider")]
        hidden: usize,
        /// Probability of zeroing a hidden value in training.
        #[serde(default = "fifth")]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
        /// How numbers enter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numbers: Option<Numbers>,
    },
    /// A transformer over one token for each column (Gorishniy et al. 2021, 3.3).
    FtTransformer {
        /// Number of blocks.
        #[serde(default = "three")]
        blocks: usize,
        /// Width of a token.
        #[serde(default = "narrow")]
        width: usize,
        /// Attention heads.
        #[serde(default = "eight")]
        heads: usize,
        /// Width inside a block's `ReGLU`; 4/3 of `width` where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hidden: Option<usize>,
        /// Probability of zeroing an attention weight in training.
        #[serde(default = "fifth")]
        #[schemars(range(min = 0.0, max = 0.99))]
        attention_dropout: f64,
        /// Probability of zeroing a hidden value in training.
        #[serde(default = "tenth")]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// An ensemble of multi-layer perceptrons that share most of their weights, each member with a
    /// loss and a head of its own (Gorishniy et al. 2024).
    Tabm {
        /// Number of members.
        #[serde(default = "thirty_two")]
        members: usize,
        /// Widths of the hidden layers.
        hidden: Vec<usize>,
        /// Probability of zeroing a hidden value in training.
        #[serde(default = "tenth")]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
        /// How numbers enter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        numbers: Option<Numbers>,
    },
    /// A residual network with torchvision's names (He et al. 2016).
    Resnet {
        /// 18, 34 or 50.
        depth: Depth,
        /// Channels of the first stage; 64 in the paper.
        #[serde(default = "narrow")]
        width: usize,
        /// `imagenet` begins with a 7x7 convolution and a pool, a quarter of each side; `small` with
        /// a 3x3 convolution, for images of about 32x32.
        #[serde(default = "imagenet")]
        stem: ImageStem,
        /// Stochastic depth of the last block; that of the others rises linearly to it.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        drop_path: f64,
    },
    /// A vision transformer with a class token (Dosovitskiy et al. 2021).
    Vit {
        /// Side of a patch; divides both sides of the image.
        patch: usize,
        /// Number of blocks.
        blocks: usize,
        /// Width of a token.
        width: usize,
        /// Attention heads.
        heads: usize,
        /// Probability of zeroing a value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
        /// Stochastic depth of every block.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        drop_path: f64,
    },
    /// Recurrent layers over a text or a series; the last step is read.
    Lstm(Recurrence),
    /// The same with gated recurrent units.
    Gru(Recurrence),
    /// A temporal convolutional network: residual blocks of two causal convolutions whose dilation
    /// doubles (Bai et al. 2018); the last step is read.
    Tcn {
        /// Width of each block.
        channels: Vec<usize>,
        /// Steps that one convolution sees.
        #[serde(default = "three")]
        kernel: usize,
        /// Probability of zeroing a value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// Transformer blocks over a text or a series, norm first; the mean is read.
    TextTransformer {
        /// Number of blocks.
        blocks: usize,
        /// Width of a token.
        width: usize,
        /// Attention heads.
        heads: usize,
        /// Probability of zeroing a value in training.
        #[serde(default = "tenth")]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// A decoder that predicts the next token (Radford et al. 2019): causal transformer blocks, norm
    /// first, learned positions.
    Gpt {
        /// Number of blocks.
        blocks: usize,
        /// Width of a token.
        width: usize,
        /// Attention heads.
        heads: usize,
        /// Probability of zeroing a value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// The same with rotary positions, RMS norm, `SwiGLU` and shared key-value heads (Touvron et al.
    /// 2023), without biases.
    Llama {
        /// Number of blocks.
        blocks: usize,
        /// Width of a token.
        width: usize,
        /// Attention heads.
        heads: usize,
        /// Heads of keys and values; `heads` where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        kv_heads: Option<usize>,
        /// Width inside a block's `SwiGLU`; 8/3 of `width` where left out.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hidden: Option<usize>,
    },
    /// A linear forecast from a window's moving average and what is left of it (Zeng et al. 2023).
    Dlinear {
        /// Steps of the moving average; odd.
        #[serde(default = "twenty_five")]
        kernel: usize,
    },
    /// A transformer over stretches of a window (Nie et al. 2023). Each window's mean and deviation are
    /// taken out and put back on the forecast (Kim et al. 2022).
    Patchtst {
        /// Steps of a stretch.
        #[serde(default = "sixteen")]
        patch: usize,
        /// Steps from one stretch to the next.
        #[serde(default = "eight")]
        stride: usize,
        /// Number of blocks.
        #[serde(default = "two")]
        blocks: usize,
        /// Width of a token.
        #[serde(default = "narrow")]
        width: usize,
        /// Attention heads.
        #[serde(default = "four")]
        heads: usize,
        /// Probability of zeroing a value in training.
        #[serde(default = "fifth")]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// Linear layers down to a small code and back to the inputs, for anomaly scores.
    Autoencoder {
        /// Widths of the hidden layers on the way down.
        hidden: Vec<usize>,
        /// Width of the code.
        code: usize,
        /// The function between layers.
        #[serde(default = "relu")]
        activation: Activation,
        /// Probability of zeroing a hidden value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
    /// Gradient-boosted trees, as a baseline: no loop of epochs, so `[train]` does not apply.
    Gbdt(Boosting),
    /// A random forest (Breiman 2001), as a baseline; `[train]` does not apply either.
    RandomForest(Bagging),
    /// Exactly these layers; the head is added.
    Layers {
        /// In order of the forward pass.
        layers: Vec<Layer>,
        /// Width of a text's token embeddings.
        #[serde(default = "narrow")]
        token_width: usize,
        /// Names of modules in the package where they are not `trunk.0`, `trunk.1.layers.0` and so on,
        /// by those.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        names: BTreeMap<String, String>,
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
    /// The trees, if it is a family of them.
    pub fn trees(&self) -> Option<TreesSpec> {
        match self {
            Self::Gbdt(spec) => Some(TreesSpec::Boosted(*spec)),
            Self::RandomForest(spec) => Some(TreesSpec::Forest(*spec)),
            _ => None,
        }
    }

    /// The family's name as typed.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Mlp { .. } => "mlp",
            Self::Cnn { .. } => "cnn",
            Self::ResnetTabular { .. } => "resnet_tabular",
            Self::FtTransformer { .. } => "ft_transformer",
            Self::Tabm { .. } => "tabm",
            Self::Resnet { .. } => "resnet",
            Self::Vit { .. } => "vit",
            Self::Lstm(_) => "lstm",
            Self::Gru(_) => "gru",
            Self::Tcn { .. } => "tcn",
            Self::TextTransformer { .. } => "text_transformer",
            Self::Gpt { .. } => "gpt",
            Self::Llama { .. } => "llama",
            Self::Dlinear { .. } => "dlinear",
            Self::Patchtst { .. } => "patchtst",
            Self::Autoencoder { .. } => "autoencoder",
            Self::Gbdt(_) => "gbdt",
            Self::RandomForest(_) => "random_forest",
            Self::Layers { .. } => "layers",
        }
    }
}

fn sixteen_times() -> f64 {
    16.0
}

fn relu() -> Activation {
    Activation::Relu
}

fn imagenet() -> ImageStem {
    ImageStem::Imagenet
}

fn two() -> usize {
    2
}

fn three() -> usize {
    3
}

fn four() -> usize {
    4
}

fn sixteen() -> usize {
    16
}

fn twenty_five() -> usize {
    25
}

fn eight() -> usize {
    8
}

fn thirty_two() -> usize {
    32
}

fn narrow() -> usize {
    64
}

fn wide() -> usize {
    192
}

fn wider() -> usize {
    384
}

fn tenth() -> f64 {
    0.1
}

fn fifth() -> f64 {
    0.2
}
