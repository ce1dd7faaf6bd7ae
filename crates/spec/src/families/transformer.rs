//! Transformer blocks, and the families that are nothing else: `vit`, and the combiner of several inputs.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::blocks::{activation, attention, dropout, layer_norm, linear, residual};
use crate::layers::{Activation, Layer, Take};
use crate::model::Design;

/// Sizes of a stack of transformer blocks, norm first: attention, then two linear layers with a GELU in
/// between, four times as wide as a token.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Blocks {
    pub count: usize,
    pub width: usize,
    pub heads: usize,
    pub causal: bool,
    pub dropout: f64,
    pub drop_path: f64,
}

impl Blocks {
    pub(super) fn layers(self) -> impl Iterator<Item = Layer> {
        let Self { count, width, heads, causal, dropout: p, drop_path } = self;
        (0..count).flat_map(move |_| {
            let mut attend = vec![layer_norm(), attention(heads, causal, p)];
            attend.extend(dropout(p));
            let mut forward = vec![layer_norm(), linear(4 * width), activation(Activation::Gelu)];
            forward.extend(dropout(p));
            forward.push(linear(width));
            forward.extend(dropout(p));
            [residual(attend, drop_path), residual(forward, drop_path)]
        })
    }
}

/// Sizes of a vision transformer (Dosovitskiy et al. 2021).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct VitFamily {
    /// Side of a patch in pixels; divides both sides of the image.
    pub patch: usize,
    /// Number of blocks.
    pub blocks: usize,
    /// Width of a token.
    pub width: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Probability of zeroing a value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Stochastic depth: probability of skipping a block in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub drop_path: f64,
}

impl Default for VitFamily {
    /// ViT-Lite-6/4 (Hassani et al. 2021, table 2) at half its width, for images of about 32x32 on a CPU.
    fn default() -> Self {
        Self { patch: 4, blocks: 6, width: 128, heads: 4, dropout: 0.0, drop_path: 0.0 }
    }
}

impl VitFamily {
    pub(crate) fn design(&self) -> Design {
        let &Self { patch, blocks: count, width, heads, dropout: p, drop_path } = self;
        let mut layers = vec![Layer::Patch { size: patch, width }, Layer::ClassToken {}, Layer::Position {}];
        layers.extend(dropout(p));
        layers.extend(Blocks { count, width, heads, causal: false, dropout: p, drop_path }.layers());
        layers.extend([layer_norm(), Layer::Take { at: Take::First, also: Vec::new() }]);
        Design::from_layers(layers)
    }
}

/// Transformer blocks over the vectors of several inputs, then the mean. There are no positions, because the
/// order of the inputs has no meaning.
pub(crate) fn combiner(blocks: Blocks) -> Vec<Layer> {
    let mut layers: Vec<Layer> = blocks.layers().collect();
    layers.extend([layer_norm(), Layer::Take { at: Take::Mean, also: Vec::new() }]);
    layers
}
