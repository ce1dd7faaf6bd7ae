//! Forward pass of the query heads that share a key head.

use std::ops::Range;

use super::{AttentionInputs, BLOCK, Rows};
use crate::matmul::{BLOCK_COLUMNS, PackedMatrix, multiply_part};
use crate::pointwise::exp;
use crate::simd::{max_by, sum_by, vectorized};

/// Keys and values of a block.
struct PackedBlock {
    tokens: Range<usize>,
    keys: PackedMatrix,
    values: PackedMatrix,
}

/// Weighted values `[group, time, head_width]` and logarithms of the sums `[group, time]`.
pub(super) fn group(
    inputs: &AttentionInputs<'_>,
    text: usize,
    kv_head: usize,
    mixed: &mut [f32],
    log_sums: &mut [f32],
) {
    let shape = inputs.shape;
    let (time, width) = (shape.time, shape.head_width);
    let (k, v) = (inputs.k.rows(text, kv_head), inputs.v.rows(text, kv_head));
    let pack = |tokens: Range<usize>| {
        let count = tokens.len();
        let keys = PackedMatrix::from_rows(k.from(tokens.start), [count, width], k.stride);
        let mut values = PackedMatrix::default();
        values.set_columns(v.from(tokens.start), [count, width], v.stride);
        PackedBlock { tokens, keys, values }
    };
    let blocks: Vec<PackedBlock> = shape.blocks().map(pack).collect();
    let mut scratch = [Vec::new(), Vec::new(), Vec::new()];
    let heads = mixed.chunks_exact_mut(time * width).zip(log_sums.chunks_exact_mut(time));
    for (index, (mixed, log_sums)) in heads.enumerate() {
        let head = kv_head * shape.group() + index;
        let q = inputs.q.rows(text, head);
        for tokens in shape.blocks() {
            let out = &mut mixed[tokens.start * width..tokens.end * width];
            let log_sums = &mut log_sums[tokens.clone()];
            let block = QueryBlock { inputs, text, head, q, v, tokens };
            block.attend(&blocks, &mut scratch, out, log_sums);
        }
    }
}

/// Queries of a block.
struct QueryBlock<'a> {
    inputs: &'a AttentionInputs<'a>,
    text: usize,
    head: usize,
    q: Rows<'a>,
    v: Rows<'a>,
    tokens: Range<usize>,
}

impl QueryBlock<'_> {
    fn attend(
        &self,
        blocks: &[PackedBlock],
        [scores, part, factors]: &mut [Vec<f32>; 3],
        out: &mut [f32],
        log_sums: &mut [f32],
    ) {
        let width = self.inputs.shape.head_width;
        let count = self.tokens.len();
        // Keys that any of the queries sees.
        let seen = self.inputs.keys_of(self.tokens.start).start..self.inputs.keys_of(self.tokens.end - 1).end;
        let is_seen = |block: &&PackedBlock| block.tokens.start < seen.end && block.tokens.end > seen.start;
        let first = blocks.iter().find(is_seen).map_or(0, |block| block.tokens.start);
        let last = blocks.iter().rfind(is_seen).map_or(first, |block| block.tokens.end);
        let strip = (last - first).next_multiple_of(BLOCK_COLUMNS);
        scores.clear();
        scores.resize((count + 1) * strip, 0.0);
        for block in blocks.iter().filter(is_seen) {
            let product = block.keys.times(self.q.from(self.tokens.start), count, self.q.stride);
            let columns = 0..block.tokens.len().div_ceil(BLOCK_COLUMNS);
            multiply_part(&product, 0..count, columns, &mut scores[block.tokens.start - first..], strip);
        }
        vectorized(
            #[inline(always)]
            || {
                for (index, (row, log_sum)) in scores.chunks_exact_mut(strip).zip(&mut *log_sums).enumerate()
                {
                    *log_sum = self.exponentials(row, self.tokens.start + index, first);
                }
            },
        );
        out.fill(0.0);
        part.resize(count * width, 0.0);
        for block in blocks.iter().filter(is_seen) {
            self.drop_weights(&block.tokens, &mut scores[block.tokens.start - first..], strip, factors);
            let weights = &scores[block.tokens.start - first..];
            let product = block.values.times(weights, count, strip);
            multiply_part(&product, 0..count, 0..width.div_ceil(BLOCK_COLUMNS), part, width);
            vectorized(
                #[inline(always)]
                || {
                    for (out, part) in out.iter_mut().zip(&*part) {
                        *out += part;
                    }
                },
            );
        }
        for (row, log_sum) in out.chunks_exact_mut(width).zip(log_sums) {
            if log_sum.is_infinite() {
                self.mean_of_values(row);
            }
        }
    }

    /// Applies dropout to weights of these keys, whose rows are `strip` apart.
    fn drop_weights(&self, keys: &Range<usize>, weights: &mut [f32], strip: usize, factors: &mut Vec<f32>) {
        let Some(dropout) = self.inputs.dropout else { return };
        let blocks = [self.tokens.start / BLOCK, keys.start / BLOCK];
        let stream = self.inputs.stream(self.text, self.head, blocks);
        let columns = self.tokens.len().next_multiple_of(BLOCK_COLUMNS);
        factors.resize(keys.len() * columns, 0.0);
        vectorized(
            #[inline(always)]
            || dropout.fill(stream, factors),
        );
        for (key, factors) in factors.chunks_exact(columns).enumerate() {
            for (weights, factor) in weights.chunks_mut(strip).zip(&factors[..self.tokens.len()]) {
                weights[key] *= factor;
            }
        }
    }

    /// Replaces a row of scores, which begins at key `first`, by their softmax, and returns the logarithm of its sum.
    #[inline(always)]
    fn exponentials(&self, row: &mut [f32], query: usize, first: usize) -> f32 {
        let keys = self.inputs.keys_of(query);
        let (start, end) = (keys.start - first, keys.end - first);
        row[..start].fill(0.0);
        row[end..].fill(0.0);
        let seen = &mut row[start..end];
        let scale = self.inputs.scale();
        for score in &mut *seen {
            *score *= scale;
        }
        if let Some(cap) = self.inputs.rules.softcap {
            for score in &mut *seen {
                *score = cap * crate::pointwise::tanh(*score / cap);
            }
        }
        if let Some(padding) = self.inputs.padding_of(self.text) {
            for (score, padding) in seen.iter_mut().zip(&padding[keys]) {
                *score = if *padding { f32::NEG_INFINITY } else { *score };
            }
        }
        let most = max_by(
            seen,
            f32::NEG_INFINITY,
            #[inline(always)]
            |x| x,
        );
        if most == f32::NEG_INFINITY && seen.iter().all(|x| !x.is_nan()) {
            seen.fill(0.0);
            return f32::INFINITY;
        }
        for score in &mut *seen {
            *score = exp(*score - most);
        }
        let sum = sum_by(
            seen,
            #[inline(always)]
            |x| x,
        );
        let factor = 1.0 / sum;
        for score in seen {
            *score *= factor;
        }
        most + sum.ln()
    }

    /// The output of a query that sees no key.
    fn mean_of_values(&self, out: &mut [f32]) {
        let (time, width) = (self.inputs.shape.time, out.len());
        out.fill(0.0);
        for token in 0..time {
            for (out, v) in out.iter_mut().zip(self.v.row(token, width)) {
                *out += v / time as f32;
            }
        }
    }
}
