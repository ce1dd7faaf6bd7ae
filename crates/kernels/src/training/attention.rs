//! Self-attention with its backward pass (Dao et al. 2022, section 3.1), block by block: the weights of one block of
//! queries are in memory at a time, and the backward pass computes them again from the logarithms of their sums. So it
//! does with the dropout of the weights, whose mask is a function of a seed.

mod backward;
mod forward;
mod short;
#[cfg(test)]
mod tests;

use std::ops::Range;

use rayon::prelude::*;

use super::dropout::DropoutMask;
use crate::attention::ScoreRules;

/// Queries or keys of a block.
const BLOCK: usize = 64;

/// Sizes of self-attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AttentionShape {
    /// Number of texts.
    pub batch: usize,
    /// Tokens of a text.
    pub time: usize,
    /// Number of query heads.
    pub heads: usize,
    /// Number of key heads, and of value heads; each serves the same number of query heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_width: usize,
}

/// Queries, keys or values `[batch, heads, time, head_width]`, whose innermost values lie side by side.
#[derive(Debug, Clone, Copy)]
pub struct Heads<'a> {
    /// Values from the first one on.
    pub values: &'a [f32],
    /// Distances between texts, heads and tokens.
    pub strides: [usize; 3],
}

/// Inputs of self-attention.
#[derive(Debug, Clone, Copy)]
pub struct AttentionInputs<'a> {
    /// Queries.
    pub q: Heads<'a>,
    /// Keys.
    pub k: Heads<'a>,
    /// Values.
    pub v: Heads<'a>,
    /// Factor, bound and mask of the scores.
    pub rules: &'a ScoreRules,
    /// `[batch, time]`, `true` at tokens that are not attended to; `None` if there are none. A token that sees no other
    /// attends to all alike.
    pub padding: Option<&'a [bool]>,
    /// Dropout of the weights; the weights of a token that sees no other are not dropped.
    pub dropout: Option<DropoutMask>,
    /// Sizes.
    pub shape: AttentionShape,
}

/// Output of self-attention, and what its backward pass needs.
#[derive(Debug, Clone)]
pub struct Attended {
    /// `[batch, time, heads * head_width]`
    pub y: Vec<f32>,
    /// Logarithm of the sum of the exponentials of each token's scores, `[batch, heads, time]`; infinite for a token that
    /// sees no other.
    pub log_sums: Vec<f32>,
}

/// Values of [`Attended`] for the backward pass.
#[derive(Debug, Clone, Copy)]
pub struct ForwardValues<'a> {
    /// `[batch, time, heads * head_width]`
    pub y: &'a [f32],
    /// `[batch, heads, time]`
    pub log_sums: &'a [f32],
}

/// Gradients of queries, keys and values, each `[batch, time, heads, head_width]`.
#[derive(Debug)]
pub struct AttentionGradients {
    /// Gradient of the queries.
    pub q: Vec<f32>,
    /// Gradient of the keys.
    pub k: Vec<f32>,
    /// Gradient of the values.
    pub v: Vec<f32>,
}

/// Rows of one head.
#[derive(Clone, Copy)]
struct Rows<'a> {
    values: &'a [f32],
    stride: usize,
}

impl<'a> Rows<'a> {
    /// Rows from `first` on.
    fn from(&self, first: usize) -> &'a [f32] {
        &self.values[first * self.stride..]
    }

    fn row(&self, index: usize, width: usize) -> &'a [f32] {
        &self.values[index * self.stride..][..width]
    }
}

impl<'a> Heads<'a> {
    fn rows(&self, text: usize, head: usize) -> Rows<'a> {
        let [texts, heads, stride] = self.strides;
        Rows { values: &self.values[text * texts + head * heads..], stride }
    }
}

impl AttentionShape {
    /// Query heads of a key head.
    fn group(&self) -> usize {
        self.heads / self.kv_heads.max(1)
    }

    fn is_empty(&self) -> bool {
        self.batch * self.time * self.heads * self.head_width == 0
    }

    /// Blocks of tokens.
    fn blocks(&self) -> impl Iterator<Item = Range<usize>> + Clone + use<> {
        let time = self.time;
        (0..time).step_by(BLOCK).map(move |start| start..(start + BLOCK).min(time))
    }
}

impl AttentionInputs<'_> {
    fn scale(&self) -> f32 {
        self.rules.scale.unwrap_or_else(|| 1.0 / (self.shape.head_width as f32).sqrt())
    }

    /// Keys that a query sees, apart from padding.
    fn keys_of(&self, query: usize) -> Range<usize> {
        let first = self.rules.window.map_or(0, |window| (query + 1).saturating_sub(window));
        let end = if self.rules.causal {
            query + 1
        } else {
            self.rules.window.map_or(self.shape.time, |window| query.saturating_add(window))
        };
        first..end.min(self.shape.time)
    }

    /// Queries that see a key, apart from padding.
    fn queries_of(&self, key: usize) -> Range<usize> {
        let first = if self.rules.causal {
            key
        } else {
            self.rules.window.map_or(0, |window| (key + 1).saturating_sub(window))
        };
        let end = self.rules.window.map_or(self.shape.time, |window| key.saturating_add(window));
        first..end.min(self.shape.time)
    }

    /// Stream of dropout of a block of queries and a block of keys, whose factors are `[keys, queries]`, the queries
    /// rounded up to whole vectors.
    fn stream(&self, text: usize, head: usize, [queries, keys]: [usize; 2]) -> u64 {
        let blocks = self.shape.time.div_ceil(BLOCK);
        (((text * self.shape.heads + head) * blocks + queries) * blocks + keys) as u64
    }

    fn padding_of(&self, text: usize) -> Option<&[bool]> {
        let time = self.shape.time;
        self.padding.map(|padding| &padding[text * time..][..time])
    }
}

/// Weighted values of each token.
pub fn forward(inputs: &AttentionInputs<'_>) -> Attended {
    let shape = inputs.shape;
    let mut log_sums = vec![0.0; shape.batch * shape.heads * shape.time];
    if shape.is_empty() {
        return Attended { y: Vec::new(), log_sums };
    }
    if short::applies(&shape) {
        let mut y = vec![0.0; log_sums.len() * shape.head_width];
        short::forward(inputs, &mut y, &mut log_sums);
        return Attended { y, log_sums };
    }
    forward_in_blocks(inputs, log_sums)
}

/// Weighted values of texts of any length.
fn forward_in_blocks(inputs: &AttentionInputs<'_>, mut log_sums: Vec<f32>) -> Attended {
    let shape = inputs.shape;
    // Head by head first, then side by side.
    let rows = shape.group() * shape.time;
    let mut mixed = vec![0.0; log_sums.len() * shape.head_width];
    let parts = mixed.par_chunks_mut(rows * shape.head_width).zip(log_sums.par_chunks_mut(rows));
    parts.enumerate().for_each(|(at, (mixed, log_sums))| {
        let (text, kv_head) = (at / shape.kv_heads, at % shape.kv_heads);
        forward::group(inputs, text, kv_head, mixed, log_sums);
    });
    Attended { y: side_by_side(&mixed, shape.heads, &shape), log_sums }
}

/// Gradients from the `gradient` `[batch, time, heads * head_width]` of the output.
pub fn backward(
    inputs: &AttentionInputs<'_>,
    kept: ForwardValues<'_>,
    gradient: &[f32],
) -> AttentionGradients {
    let shape = inputs.shape;
    if !shape.is_empty() && short::applies(&shape) {
        return short::backward(inputs, kept.log_sums, gradient);
    }
    backward_in_blocks(inputs, kept, gradient)
}

/// Gradients for texts of any length.
fn backward_in_blocks(
    inputs: &AttentionInputs<'_>,
    kept: ForwardValues<'_>,
    gradient: &[f32],
) -> AttentionGradients {
    let shape = inputs.shape;
    let count = |heads: usize| shape.batch * heads * shape.time * shape.head_width;
    let (mut dq, mut dk) = (vec![0.0; count(shape.heads)], vec![0.0; count(shape.kv_heads)]);
    let mut dv = vec![0.0; count(shape.kv_heads)];
    if !shape.is_empty() {
        let one = shape.time * shape.head_width;
        let parts = dq.par_chunks_mut(shape.group() * one).zip(dk.par_chunks_mut(one));
        let parts = parts.zip(dv.par_chunks_mut(one)).enumerate();
        parts.for_each(|(at, ((q, k), v))| {
            let (text, kv_head) = (at / shape.kv_heads, at % shape.kv_heads);
            backward::group(inputs, [text, kv_head], kept, gradient, [q, k, v]);
        });
    }
    AttentionGradients {
        q: side_by_side(&dq, shape.heads, &shape),
        k: side_by_side(&dk, shape.kv_heads, &shape),
        v: side_by_side(&dv, shape.kv_heads, &shape),
    }
}

/// `[batch, heads, time, head_width]` as `[batch, time, heads, head_width]`.
fn side_by_side(values: &[f32], heads: usize, shape: &AttentionShape) -> Vec<f32> {
    let (time, width) = (shape.time, shape.head_width);
    let mut out = vec![0.0; values.len()];
    let text = (heads * time * width).max(1);
    out.par_chunks_mut(text).zip(values.par_chunks(text)).for_each(|(out, values)| {
        for (head, values) in values.chunks_exact(time * width).enumerate() {
            for (token, row) in values.chunks_exact(width).enumerate() {
                out[(token * heads + head) * width..][..width].copy_from_slice(row);
            }
        }
    });
    out
}
