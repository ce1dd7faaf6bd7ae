//! `[combine]`: how inputs of several kinds meet before the trunk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::{Blocks, combiner};
use crate::layers::Layer;

/// Combination of the vectors of several inputs into the input of the trunk.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Combine {
    /// Side by side.
    #[default]
    Concat,
    /// Tokens of a transformer, whose mean is taken, so that inputs can attend to each other.
    Transformer {
        /// Width of a token. One linear layer brings the vector of each input to it.
        #[serde(default = "sixty_four")]
        width: usize,
        /// Number of blocks.
        #[serde(default = "one")]
        blocks: usize,
        /// Number of attention heads.
        #[serde(default = "four")]
        heads: usize,
        /// Probability of zeroing a value in training.
        #[serde(default)]
        #[schemars(range(min = 0.0, max = 0.99))]
        dropout: f64,
    },
}

impl Combine {
    /// Layers over the stacked vectors, and the width of these vectors; `None` if the vectors are put side by
    /// side.
    pub fn stacked(self) -> Option<(Vec<Layer>, usize)> {
        match self {
            Self::Concat => None,
            Self::Transformer { width, blocks: count, heads, dropout } => {
                let blocks = Blocks { count, width, heads, causal: false, dropout, drop_path: 0.0 };
                Some((combiner(blocks), width))
            }
        }
    }
}

fn sixty_four() -> usize {
    64
}

fn one() -> usize {
    1
}

fn four() -> usize {
    4
}
