//! `[combine]`: how inputs of several kinds meet before the trunk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::time::combiner;
use crate::layers::Layer;

/// How the vectors of several inputs become one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Combine {
    /// Side by side.
    #[default]
    Concat,
    /// As the tokens of a transformer, whose mean is taken: inputs may look at each other.
    Transformer {
        /// Width of a token; each input's vector goes through one linear layer to it.
        #[serde(default = "width")]
        width: usize,
        /// Number of blocks.
        #[serde(default = "one")]
        blocks: usize,
        /// Attention heads.
        #[serde(default = "four")]
        heads: usize,
        /// Probability of zeroing a value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
}

impl Combine {
    /// Layers after the vectors have been stacked, and the width of these; `None` where they are put side
    /// by side.
    pub fn stacked(self) -> Option<(Vec<Layer>, usize)> {
        match self {
            Self::Concat => None,
            Self::Transformer { width, blocks, heads, dropout } => {
                Some((combiner(blocks, width, heads, dropout), width))
            }
        }
    }
}

fn width() -> usize {
    64
}

fn one() -> usize {
    1
}

fn four() -> usize {
    4
}
