//! Forecasts from a window: `dlinear` and `patchtst`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::blocks::{dropout, layer_norm};
use crate::families::transformer::Blocks;
use crate::layers::Layer;
use crate::model::Design;

/// Sizes of a linear forecast (Zeng et al. 2023).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DlinearFamily {
    /// Number of steps of the moving average; odd.
    pub kernel: usize,
}

impl Default for DlinearFamily {
    fn default() -> Self {
        Self { kernel: 25 }
    }
}

impl DlinearFamily {
    /// Zeng et al. 2023, 4: the head is linear in the trend and in the remainder.
    pub(crate) fn design(&self) -> Design {
        Design::from_layers(vec![Layer::Decompose { kernel: self.kernel }, Layer::Flatten {}])
    }
}

/// Sizes of a transformer over patches of a window (Nie et al. 2023).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct PatchtstFamily {
    /// Number of steps of a patch.
    pub patch: usize,
    /// Number of steps from one patch to the next.
    pub stride: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Width of a token.
    pub width: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Probability of zeroing a value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

impl Default for PatchtstFamily {
    fn default() -> Self {
        Self { patch: 16, stride: 8, blocks: 2, width: 64, heads: 4, dropout: 0.2 }
    }
}

impl PatchtstFamily {
    /// Patches as tokens, positions and transformer blocks; the head reads all tokens.
    pub(crate) fn design(&self) -> Design {
        let &Self { patch: length, stride, blocks: count, width, heads, dropout: p } = self;
        let mut layers = vec![Layer::SeriesPatch { length, stride, width }, Layer::Position {}];
        layers.extend(dropout(p));
        layers.extend(Blocks { count, width, heads, causal: false, dropout: p, drop_path: 0.0 }.layers());
        layers.extend([layer_norm(), Layer::Flatten {}]);
        Design { reversible: true, ..Design::from_layers(layers) }
    }
}
