//! Multi-head self-attention, as `cupola_nn` has it.

use candle_core::{Error as CandleError, Tensor};
use cupola_kernels::{AttentionKernel, LinearKernel, NewTokens};
use cupola_spec::Rope;

use super::Named;
use super::tensors::map_rows;
use crate::error::Error;

/// Multi-head self-attention.
pub struct Attention {
    /// Queries, keys and values of all heads side by side.
    qkv: LinearKernel,
    o: LinearKernel,
    heads: AttentionKernel,
}

/// Heads of queries and of keys.
pub type Counts = [usize; 2];

impl Attention {
    pub fn new(
        named: &Named<'_>,
        place: &str,
        [queries, keys]: Counts,
        causal: bool,
        rope: Option<Rope>,
        bias: bool,
    ) -> Result<Self, Error> {
        let parts = ["q", "k", "v"].map(|part| format!("{place}.{part}"));
        let qkv = named.linear(&parts.each_ref().map(String::as_str), bias)?;
        let o = named.linear(&[&format!("{place}.o")], bias)?;
        let width = qkv.output / (queries + 2 * keys).max(1);
        let rope = rope.map(|rope| rope.frequencies(width));
        Ok(Self {
            qkv,
            o,
            heads: AttentionKernel { query_heads: queries, kv_heads: keys, head_width: width, causal, rope },
        })
    }

    /// Numbers that are kept of each token of a text.
    pub fn kept_width(&self) -> usize {
        2 * self.heads.kv_heads * self.heads.head_width
    }

    /// New tokens of several texts, `[1, tokens, width]`, each after those that are kept of its text.
    pub fn go_on(&self, x: &Tensor, texts: &mut [NewTokens<'_>]) -> Result<Tensor, CandleError> {
        map_rows(x, self.o.output, |x| self.o.forward(&self.heads.decode(self.qkv.forward(x), texts)))
    }

    /// `[batch, time, width]`; `mask` `[batch, time]` is 1 at padding.
    pub fn forward(&self, x: &Tensor, mask: Option<&Tensor>) -> Result<Tensor, CandleError> {
        let (_, time, _) = x.dims3()?;
        let padding = mask.map(|mask| mask.flatten_all()?.to_vec1::<f32>()).transpose()?;
        map_rows(x, self.o.output, |x| {
            let mixed = self.heads.forward(self.qkv.forward(x), time, padding.as_deref());
            self.o.forward(&mixed)
        })
    }
}
