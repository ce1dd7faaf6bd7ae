//! `[model]`: an architecture in place, in a file, or of a published package.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::Family;

/// The model of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Model {
    /// An architecture file such as `models/cnn_small.toml`.
    File(FileRef),
    /// A published model to train further.
    Package(PackageRef),
    /// An architecture in the config itself.
    Inline(Family),
}

/// A reference to an architecture file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRef {
    /// Path of the file. Keys of the model in `--set` replace those of the file.
    pub file: String,
}

/// A published package whose network, weights and tokenizer training starts from. The head is drawn anew.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PackageRef {
    /// Reference to the package: `NAME`, `NAME@ALIAS` or `NAME:VERSION`.
    pub package: String,
    /// Low-rank adaptation: train small matrices beside those of the attention layers, which stay as they
    /// are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<Lora>,
}

/// Low-rank adaptation of the queries and values of attention layers (Hu et al. 2022). The published package
/// has the product added to the weights.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lora {
    /// Rank of the product of the two matrices.
    #[schemars(range(min = 1))]
    pub rank: usize,
    /// Scale of the product: it is multiplied by `alpha / rank`.
    #[serde(default = "sixteen")]
    pub alpha: f64,
}

/// An architecture file: a family and the sizes that a test expects of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelFile {
    /// The architecture.
    #[serde(flatten)]
    pub family: Family,
    /// Expected shapes and size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expect>,
}

/// Expected shapes and size of a network with a head of a given width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Input shape of one example.
    pub input: Vec<usize>,
    /// Width of the head.
    pub output: usize,
    /// Number of trained values, head included.
    pub parameters: usize,
}

fn sixteen() -> f64 {
    16.0
}
