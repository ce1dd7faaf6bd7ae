//! Multi-head scaled dot-product attention (Vaswani et al. 2017, section 3.2), with grouped keys and values (Ainslie et
//! al. 2023) and rotary position embeddings (Su et al. 2021).

mod kv;
mod rules;

use rayon::prelude::*;

use crate::matmul::{BLOCK_COLUMNS, PackedMatrix, multiply_part};
use crate::rows::softmax_row;
use crate::simd::vectorized;

pub use kv::LayerKv;
pub use rules::{HeadNorms, ScoreRules};

/// New tokens from which on packing keys and values for matrix products pays off.
const PACKED_QUERIES: usize = 4;

/// Sizes and options of an attention layer.
///
/// Queries, keys and values of a token lie side by side: `[query_heads + 2 * kv_heads, head_width]`.
pub struct AttentionKernel {
    /// Number of query heads.
    pub query_heads: usize,
    /// Number of key heads, and of value heads; each serves the same number of query heads.
    pub kv_heads: usize,
    /// Width of a head.
    pub head_width: usize,
    /// Factor, bound and mask of the scores.
    pub rules: ScoreRules,
    /// Norms of queries and keys before they are rotated; `None` without.
    pub norms: Option<HeadNorms>,
    /// Rotary frequencies, in radians per position, of half as many pairs as there are rotated values at the start of a
    /// head; `None` without rotary embeddings.
    pub rope: Option<Vec<f64>>,
    /// Factor of the rotated values.
    pub rope_amplitude: f64,
}

/// New tokens of one text, which attend to its stored tokens and to one another.
pub struct NewTokens<'a> {
    /// Number of new tokens.
    pub count: usize,
    /// Keys and values of the tokens before, to which the new ones are appended.
    pub kv: &'a mut LayerKv,
}

/// Working memory of a thread.
#[derive(Default)]
struct Scratch {
    packed: PackedMatrix,
    /// `[count, time]`
    scores: Vec<f32>,
}

/// Matrix whose rows are `stride` apart.
#[derive(Clone, Copy)]
struct StridedRows<'a> {
    values: &'a [f32],
    stride: usize,
}

/// Inputs of one head: `count` queries, which are the last of `time` tokens.
struct HeadInputs<'a> {
    q: StridedRows<'a>,
    k: StridedRows<'a>,
    v: StridedRows<'a>,
    count: usize,
    time: usize,
}

impl AttentionKernel {
    /// Attention over whole texts: `qkv` `[rows, time, (query_heads + 2 * kv_heads) * head_width]` to
    /// `[rows, time, query_heads * head_width]`.
    ///
    /// Tokens at which `padding` `[rows, time]` is 1 are not attended to.
    pub fn forward(&self, mut qkv: Vec<f32>, time: usize, padding: Option<&[f32]>) -> Vec<f32> {
        let token = self.token_width();
        let rows = qkv.len() / (time * token).max(1);
        for row in qkv.chunks_exact_mut((time * token).max(1)) {
            self.prepare(row, 0);
        }
        // Head by head first, then side by side.
        let mut mixed = vec![0.0; rows * self.query_heads * time * self.head_width];
        let parts = mixed.par_chunks_mut((time * self.head_width).max(1)).enumerate();
        let heads_per_thread = (4_096 / (time * time).max(1)).max(1);
        parts.with_min_len(heads_per_thread).for_each_init(Scratch::default, |scratch, (at, out)| {
            let (row, head) = (at / self.query_heads, at % self.query_heads);
            let padding = padding.map(|padding| &padding[row * time..][..time]);
            let rows_of = |head: usize| StridedRows {
                values: &qkv[row * time * token + head * self.head_width..],
                stride: token,
            };
            let key = self.query_heads + self.kv_head(head);
            let (k, v) = (rows_of(key), rows_of(key + self.kv_heads));
            let inputs = HeadInputs { q: rows_of(head), k, v, count: time, time };
            self.packed_head(&inputs, padding, scratch, out);
        });
        let mut out = vec![0.0; mixed.len()];
        let row = (self.query_heads * time * self.head_width).max(1);
        for (mixed, out) in mixed.chunks_exact(row).zip(out.chunks_exact_mut(row)) {
            self.interleave_heads(mixed, out);
        }
        out
    }

    /// Attention of the new tokens of several texts, which lie one after another in `qkv`
    /// `[tokens, (query_heads + 2 * kv_heads) * head_width]`, to the tokens before them in their own text. Appends their
    /// keys and values, and returns `[tokens, query_heads * head_width]`.
    pub fn decode(&self, mut qkv: Vec<f32>, texts: &mut [NewTokens<'_>]) -> Vec<f32> {
        let (token, kv) = (self.token_width(), self.kv_heads * self.head_width);
        let mut at = 0;
        for text in &mut *texts {
            let new = &mut qkv[at..][..text.count * token];
            at += text.count * token;
            self.prepare(new, text.kv.keys().len() / kv);
            text.kv.reserve(text.count * kv);
            for token in new.chunks_exact(token) {
                let (k, v) = token[self.query_heads * self.head_width..].split_at(kv);
                text.kv.push(k, v);
            }
        }
        let mut out = vec![0.0; at / token * self.query_heads * self.head_width];
        let mut jobs = Vec::with_capacity(texts.len());
        let (mut q, mut rest) = (qkv.as_slice(), out.as_mut_slice());
        for text in &*texts {
            let (own, others) = rest.split_at_mut(text.count * self.query_heads * self.head_width);
            jobs.push((text, q, own));
            (q, rest) = (&q[text.count * token..], others);
        }
        jobs.into_par_iter().for_each(|(text, q, out)| self.decode_text(text, q, out));
        out
    }

    /// All heads of one text; `q` begins with its first new token.
    fn decode_text(&self, text: &NewTokens<'_>, q: &[f32], out: &mut [f32]) {
        let (count, stride) = (text.count, self.kv_heads * self.head_width);
        let time = text.kv.keys().len() / stride;
        let mut mixed = vec![0.0; out.len()];
        let heads = mixed.par_chunks_mut(count * self.head_width).enumerate();
        let heads_per_thread = (PACKED_QUERIES * 4_096 / (count * time).max(1)).max(1);
        heads.with_min_len(heads_per_thread).for_each_init(Scratch::default, |scratch, (head, mixed)| {
            let at = self.kv_head(head) * self.head_width;
            let k = StridedRows { values: &text.kv.keys()[at..], stride };
            let v = StridedRows { values: &text.kv.values()[at..], stride };
            let q = StridedRows { values: &q[head * self.head_width..], stride: self.token_width() };
            let inputs = HeadInputs { q, k, v, count, time };
            if count < PACKED_QUERIES {
                self.streamed_head(&inputs, scratch, mixed);
            } else {
                self.packed_head(&inputs, None, scratch, mixed);
            }
        });
        self.interleave_heads(&mixed, out);
    }

    /// Floats of a token in `qkv`.
    fn token_width(&self) -> usize {
        (self.query_heads + 2 * self.kv_heads) * self.head_width
    }

    /// Key head of a query head.
    fn kv_head(&self, query_head: usize) -> usize {
        query_head / (self.query_heads / self.kv_heads)
    }

    /// Copies `[query_heads, tokens, head_width]` to `[tokens, query_heads * head_width]`.
    fn interleave_heads(&self, mixed: &[f32], out: &mut [f32]) {
        let tokens = mixed.len() / (self.query_heads * self.head_width);
        for (at, values) in mixed.chunks_exact(self.head_width).enumerate() {
            let (head, token) = (at / tokens, at % tokens);
            out[(token * self.query_heads + head) * self.head_width..][..self.head_width]
                .copy_from_slice(values);
        }
    }

    /// One head of one text by two matrix products.
    fn packed_head(
        &self,
        &HeadInputs { q, k, v, count, time }: &HeadInputs<'_>,
        padding: Option<&[f32]>,
        Scratch { packed, scores }: &mut Scratch,
        out: &mut [f32],
    ) {
        let width = self.head_width;
        scores.resize(count * time, 0.0);
        packed.set_rows(k.values, [time, width], k.stride);
        let blocks = 0..time.div_ceil(BLOCK_COLUMNS);
        multiply_part(&packed.times(q.values, count, q.stride), 0..count, blocks, scores, time);
        let scale = self.rules.scale(width);
        vectorized(
            #[inline(always)]
            || {
                for (token, row) in scores.chunks_exact_mut(time).enumerate() {
                    for score in &mut *row {
                        *score *= scale;
                    }
                    self.rules.bound(row);
                    if let Some(padding) = padding {
                        // Not infinite: a text of nothing but padding still has a softmax.
                        for (score, padding) in row.iter_mut().zip(padding) {
                            *score -= padding * 1e30;
                        }
                    }
                    self.rules.mask(row, time - count + token);
                    softmax_row(row);
                }
            },
        );
        packed.set_columns(v.values, [time, width], v.stride);
        let blocks = 0..width.div_ceil(BLOCK_COLUMNS);
        multiply_part(&packed.times(scores, count, time), 0..count, blocks, out, width);
    }

    /// One head of one text for a few causal queries: keys and values are read where they lie.
    fn streamed_head(
        &self,
        &HeadInputs { q, k, v, count, time }: &HeadInputs<'_>,
        Scratch { scores, .. }: &mut Scratch,
        out: &mut [f32],
    ) {
        let width = self.head_width;
        let scale = self.rules.scale(width);
        vectorized(
            #[inline(always)]
            || {
                for (token, out) in out.chunks_exact_mut(width).enumerate() {
                    let q = &q.values[token * q.stride..][..width];
                    let position = time - count + token;
                    let first = self.rules.first_seen(position);
                    let seen = k.values.chunks(k.stride).take(position + 1).skip(first);
                    scores.clear();
                    scores.extend(seen.map(
                        #[inline(always)]
                        |k| dot(q, &k[..width]) * scale,
                    ));
                    self.rules.bound(scores);
                    softmax_row(scores);
                    for (weight, v) in scores.iter().zip(v.values.chunks(v.stride).skip(first)) {
                        for (out, v) in out.iter_mut().zip(v) {
                            *out += weight * v;
                        }
                    }
                }
            },
        );
    }

    /// Normalises and rotates queries and keys of consecutive tokens, the first of which stands at position `first`.
    fn prepare(&self, qkv: &mut [f32], first: usize) {
        if let Some(norms) = &self.norms {
            let heads = [self.query_heads, self.kv_heads];
            qkv.chunks_exact_mut(self.token_width()).for_each(|token| norms.apply(token, heads));
        }
        self.rotate(qkv, first);
    }

    /// Applies rotary embeddings to queries and keys of consecutive tokens, the first of which stands at position
    /// `first`: each pair of elements `i`, `i + pairs` turns by its frequency times the position.
    #[allow(clippy::cast_possible_truncation, reason = "angles are computed in double precision")]
    fn rotate(&self, qkv: &mut [f32], first: usize) {
        let Some(frequencies) = &self.rope else { return };
        let half = frequencies.len().min(self.head_width / 2);
        let mut rotations = vec![(0.0_f32, 0.0_f32); half];
        for (at, token) in qkv.chunks_exact_mut(self.token_width()).enumerate() {
            for (rotation, frequency) in rotations.iter_mut().zip(frequencies) {
                let angle = (first + at) as f64 * frequency;
                let (cos, sin) = (angle.cos() * self.rope_amplitude, angle.sin() * self.rope_amplitude);
                *rotation = (cos as f32, sin as f32);
            }
            let rotated = (self.query_heads + self.kv_heads) * self.head_width;
            for head in token[..rotated].chunks_exact_mut(self.head_width) {
                let (a, b) = head[..2 * half].split_at_mut(half);
                for ((a, b), (cos, sin)) in a.iter_mut().zip(b).zip(&rotations) {
                    (*a, *b) = (*a * cos - *b * sin, *b * cos + *a * sin);
                }
            }
        }
    }
}

/// Dot product in as many partial sums as a vector has lanes.
#[inline(always)]
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, a_rest) = a.as_chunks::<BLOCK_COLUMNS>();
    let (b, b_rest) = b.as_chunks::<BLOCK_COLUMNS>();
    let mut sums = [0.0_f32; BLOCK_COLUMNS];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests;
