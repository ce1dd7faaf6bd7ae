//! Transformers over the tokens of a text: `text_transformer`, `gpt` and `llama`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::blocks::{dropout, layer_norm, linear, residual};
use crate::families::transformer::Blocks;
use crate::layers::{Activation, AttentionVariant, Layer, Take};
use crate::model::{Design, Head};

/// Sizes of a transformer encoder.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TextTransformerFamily {
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

impl Default for TextTransformerFamily {
    /// BERT-Tiny (Turc et al. 2019, table 1).
    fn default() -> Self {
        Self { blocks: 2, width: 128, heads: 2, dropout: 0.1 }
    }
}

impl TextTransformerFamily {
    pub(crate) fn design(&self) -> Design {
        let &Self { blocks: count, width, heads, dropout: p } = self;
        // The tokens of a text have this width already; a series is brought to it.
        let mut layers = vec![linear(width), Layer::Position {}];
        layers.extend(dropout(p));
        layers.extend(Blocks { count, width, heads, causal: false, dropout: p, drop_path: 0.0 }.layers());
        layers.extend([layer_norm(), Layer::Take { at: Take::Mean, also: Vec::new() }]);
        Design::from_layers(layers).with_tokens(width)
    }
}

/// Sizes of a decoder with learned positions (Radford et al. 2019).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct GptFamily {
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

impl Default for GptFamily {
    /// The sizes that nanoGPT trains on a CPU.
    fn default() -> Self {
        Self { blocks: 4, width: 128, heads: 4, dropout: 0.0 }
    }
}

impl GptFamily {
    pub(crate) fn design(&self) -> Design {
        let &Self { blocks: count, width, heads, dropout: p } = self;
        let mut layers = vec![Layer::Position {}];
        layers.extend(dropout(p));
        layers.extend(Blocks { count, width, heads, causal: true, dropout: p, drop_path: 0.0 }.layers());
        layers.push(layer_norm());
        Design { head: Head::Steps, ..Design::from_layers(layers) }.with_tokens(width)
    }
}

/// Sizes of a decoder with rotary positions (Touvron et al. 2023).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct LlamaFamily {
    /// Number of blocks.
    pub blocks: usize,
    /// Width of a token.
    pub width: usize,
    /// Number of attention heads.
    pub heads: usize,
    /// Number of key and value heads. Default: `heads`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kv_heads: Option<usize>,
    /// Width inside a block's `SwiGLU`. Default: 8/3 of `width`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hidden: Option<usize>,
}

impl Default for LlamaFamily {
    /// As large as [`GptFamily`].
    fn default() -> Self {
        Self { blocks: 4, width: 128, heads: 4, kv_heads: None, hidden: None }
    }
}

impl LlamaFamily {
    pub(crate) fn design(&self) -> Design {
        let width = self.width;
        let hidden = self.hidden.unwrap_or(width * 8 / 3);
        let plain = |out| Layer::Linear { out, bias: false };
        let norm = || Layer::RmsNorm { eps: None };
        let attention = Layer::Attention {
            heads: self.heads,
            kv_heads: self.kv_heads,
            causal: true,
            rope: true,
            rope_base: None,
            rope_scaling: None,
            bias: false,
            dropout: 0.0,
            variant: AttentionVariant::default(),
        };
        let block = || {
            let swiglu = Layer::Glu { function: Activation::Silu };
            let forward = vec![norm(), plain(2 * hidden), swiglu, plain(width)];
            [residual(vec![norm(), attention.clone()], 0.0), residual(forward, 0.0)]
        };
        let layers = (0..self.blocks).flat_map(|_| block()).chain([norm()]).collect();
        Design { head: Head::Steps, ..Design::from_layers(layers) }.with_tokens(width)
    }
}
