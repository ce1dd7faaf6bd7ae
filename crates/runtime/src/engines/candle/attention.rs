//! Multi-head self-attention.

use candle_core::{Error as CandleError, Tensor};
use cupola_kernels::{AttentionKernel, HeadNorms, LinearKernel, NewTokens, ScoreRules};
use cupola_spec::{AttentionVariant, Rope};

use super::tensors::map_rows;
use super::weights::WeightLookup;
use crate::error::Error;

/// Attention between two linear layers.
pub(super) struct AttentionLayer {
    /// Queries, keys and values of all heads side by side.
    qkv: LinearKernel,
    output: LinearKernel,
    kernel: AttentionKernel,
}

/// Options of an attention layer.
pub(super) struct AttentionOptions {
    pub query_heads: usize,
    pub kv_heads: usize,
    pub causal: bool,
    pub rope: Option<Rope>,
    pub bias: bool,
    pub variant: AttentionVariant,
}

impl AttentionLayer {
    pub fn new(lookup: &WeightLookup<'_>, module: &str, options: &AttentionOptions) -> Result<Self, Error> {
        let &AttentionOptions { query_heads, kv_heads, causal, ref rope, bias, variant } = options;
        let parts = ["q", "k", "v"].map(|part| format!("{module}.{part}"));
        let qkv = lookup.linear(&parts.each_ref().map(String::as_str), bias)?;
        let output = lookup.linear(&[&format!("{module}.o")], bias)?;
        let head_width = qkv.output / (query_heads + 2 * kv_heads).max(1);
        let number = |number: Option<f64>| number.map(as_float);
        let (scale, softcap) = (number(variant.scale), number(variant.softcap));
        let rules = ScoreRules { causal, scale, softcap, window: variant.window };
        let norm = |part: &str| lookup.values(&format!("{module}.{part}"), "weight");
        let norms = match variant.norm_eps {
            Some(eps) => Some(HeadNorms { q: norm("q_norm")?, k: norm("k_norm")?, eps: as_float(eps) }),
            None => None,
        };
        let rope_amplitude = rope.as_ref().map_or(1.0, Rope::amplitude);
        let rope = rope.as_ref().map(|rope| rope.frequencies(head_width));
        let kernel =
            AttentionKernel { query_heads, kv_heads, head_width, rules, norms, rope, rope_amplitude };
        Ok(Self { qkv, output, kernel })
    }

    /// Floats that are stored for each token of a text.
    pub fn kv_width(&self) -> usize {
        2 * self.kernel.kv_heads * self.kernel.head_width
    }

    /// New tokens of several texts `[1, tokens, width]`, each after the tokens that are stored of its text.
    pub fn decode(&self, x: &Tensor, texts: &mut [NewTokens<'_>]) -> Result<Tensor, CandleError> {
        map_rows(x, self.output.output, |x| {
            self.output.forward(&self.kernel.decode(self.qkv.forward(x), texts))
        })
    }

    /// Whole texts `[batch, time, width]`; `mask` `[batch, time]` is 1 at padding.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, CandleError> {
        let (_, time, _) = x.dims3()?;
        let padding = mask.map(|mask| mask.flatten_all()?.to_vec1::<f32>()).transpose()?;
        map_rows(x, self.output.output, |x| {
            let mixed = self.kernel.forward(self.qkv.forward(x), time, padding.as_deref());
            self.output.forward(&mixed)
        })
    }
}

#[allow(clippy::cast_possible_truncation, reason = "scores are computed in single precision")]
fn as_float(number: f64) -> f32 {
    number as f32
}
