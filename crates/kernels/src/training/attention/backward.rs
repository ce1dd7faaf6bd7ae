//! Backward pass of the query heads that share a key head.

use std::ops::Range;

use super::{AttentionInputs, BLOCK, ForwardValues, Rows};
use crate::matmul::{BLOCK_COLUMNS, PackedMatrix, multiply_part};
use crate::pointwise::{exp, tanh};
use crate::simd::vectorized;

/// Queries of a block of one head, and the gradients of their outputs.
struct QueryBlock {
    /// Query head within the group.
    head: usize,
    tokens: Range<usize>,
    /// As columns, and as rows.
    queries: [PackedMatrix; 2],
    gradients: [PackedMatrix; 2],
    /// Logarithms of the sums, and products of output and gradient.
    log_sums: Vec<f32>,
    products: Vec<f32>,
}

/// Working memory.
struct Scratch {
    /// Weights and gradients of the scores `[keys, queries]`.
    weights: Vec<f32>,
    scores: Vec<f32>,
    /// `[queries, keys]`
    turned: Vec<f32>,
    part: Vec<f32>,
    /// Factors of dropout `[keys, queries]`; empty without.
    factors: Vec<f32>,
}

/// Adds to the gradients of queries `[group, time, head_width]`, keys and values `[time, head_width]`.
pub(super) fn group(
    inputs: &AttentionInputs<'_>,
    [text, kv_head]: [usize; 2],
    kept: ForwardValues<'_>,
    gradient: &[f32],
    [dq, dk, dv]: [&mut [f32]; 3],
) {
    let shape = inputs.shape;
    let (time, width) = (shape.time, shape.head_width);
    let (k, v) = (inputs.k.rows(text, kv_head), inputs.v.rows(text, kv_head));
    let queries = query_blocks(inputs, [text, kv_head], kept, gradient, dv);
    let side = BLOCK.min(time.next_multiple_of(BLOCK_COLUMNS));
    let square = vec![0.0; side * side];
    let part = vec![0.0; side * width];
    let factors = if inputs.dropout.is_some() { square.clone() } else { Vec::new() };
    let mut scratch =
        Scratch { weights: square.clone(), scores: square.clone(), turned: square, part, factors };
    let mut keys = PackedMatrix::default();
    for tokens in shape.blocks() {
        keys.set_columns(k.from(tokens.start), [tokens.len(), width], k.stride);
        let own = tokens.start * width..tokens.end * width;
        for block in &queries {
            let seen = inputs.queries_of(tokens.start).start..inputs.queries_of(tokens.end - 1).end;
            if block.tokens.start >= seen.end || block.tokens.end <= seen.start {
                continue;
            }
            let head = kv_head * shape.group() + block.head;
            let pair = Pair { inputs, text, head, block, tokens: tokens.clone() };
            pair.draw_factors(&mut scratch.factors);
            pair.scores(k, v, &mut scratch);
            let columns = block.tokens.len().next_multiple_of(BLOCK_COLUMNS);
            let Scratch { weights, scores, turned, part, .. } = &mut scratch;
            add_product(&block.gradients[1], (weights, columns), part, &mut dv[own.clone()], width);
            add_product(&block.queries[1], (scores, columns), part, &mut dk[own.clone()], width);
            pair.turn(scores, turned);
            let start = (block.head * time + block.tokens.start) * width;
            let dq = &mut dq[start..][..block.tokens.len() * width];
            add_product(&keys, (turned, tokens.len()), part, dq, width);
        }
    }
}

/// Packs the queries and gradients of all heads of the group. Queries that see no key give their gradient to all values.
fn query_blocks(
    inputs: &AttentionInputs<'_>,
    [text, kv_head]: [usize; 2],
    kept: ForwardValues<'_>,
    gradient: &[f32],
    dv: &mut [f32],
) -> Vec<QueryBlock> {
    let shape = inputs.shape;
    let (time, width, all) = (shape.time, shape.head_width, shape.heads * shape.head_width);
    let mut blocks = Vec::new();
    for index in 0..shape.group() {
        let head = kv_head * shape.group() + index;
        let q = inputs.q.rows(text, head);
        let start = text * time * all + head * width;
        let of = |values: &'_ [f32]| -> Vec<f32> {
            let rows = values[start..].chunks(all).take(time);
            rows.flat_map(|row| &row[..width]).copied().collect()
        };
        let (y, dy) = (of(kept.y), of(gradient));
        let log_sums = &kept.log_sums[(text * shape.heads + head) * time..][..time];
        for (log_sum, dy) in log_sums.iter().zip(dy.chunks_exact(width)) {
            if log_sum.is_infinite() {
                for dv in dv.chunks_exact_mut(width) {
                    dv.iter_mut().zip(dy).for_each(|(dv, dy)| *dv += dy / time as f32);
                }
            }
        }
        for tokens in shape.blocks() {
            let both = |rows: Rows<'_>| {
                let values = rows.from(tokens.start);
                let columns = PackedMatrix::from_rows(values, [tokens.len(), width], rows.stride);
                let mut packed = PackedMatrix::default();
                packed.set_columns(values, [tokens.len(), width], rows.stride);
                [columns, packed]
            };
            let own = tokens.start * width..tokens.end * width;
            let rows = y[own.clone()].chunks_exact(width).zip(dy[own].chunks_exact(width));
            let products = rows.map(|(y, dy)| y.iter().zip(dy).map(|(y, dy)| y * dy).sum()).collect();
            blocks.push(QueryBlock {
                head: index,
                queries: both(q),
                gradients: both(Rows { values: &dy, stride: width }),
                log_sums: log_sums[tokens.clone()].to_vec(),
                products,
                tokens,
            });
        }
    }
    blocks
}

/// Adds `rows` `[out rows, input]`, which are that far apart, times `matrix` to `out` `[rows, width]`.
fn add_product(
    matrix: &PackedMatrix,
    (rows, stride): (&[f32], usize),
    part: &mut [f32],
    out: &mut [f32],
    width: usize,
) {
    let count = out.len() / width;
    let part = &mut part[..out.len()];
    let product = matrix.times(rows, count, stride);
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

/// Multiplies values by as many factors as there are.
#[inline(always)]
fn multiply_each(values: &mut [f32], factors: &[f32]) {
    for (value, factor) in values.iter_mut().zip(factors) {
        *value *= factor;
    }
}

/// A block of keys and a block of queries.
struct Pair<'a> {
    inputs: &'a AttentionInputs<'a>,
    text: usize,
    head: usize,
    block: &'a QueryBlock,
    tokens: Range<usize>,
}

impl Pair<'_> {
    /// Draws the dropout of the block that the forward pass drew.
    fn draw_factors(&self, factors: &mut [f32]) {
        let Some(dropout) = self.inputs.dropout else { return };
        let blocks = [self.block.tokens.start / BLOCK, self.tokens.start / BLOCK];
        let stream = self.inputs.stream(self.text, self.head, blocks);
        let columns = self.block.tokens.len().next_multiple_of(BLOCK_COLUMNS);
        vectorized(
            #[inline(always)]
            || dropout.fill(stream, &mut factors[..self.tokens.len() * columns]),
        );
    }

    /// Sets the weights and the gradients of the products of queries and keys, both `[keys, queries]`.
    fn scores(&self, k: Rows<'_>, v: Rows<'_>, scratch: &mut Scratch) {
        let (count, blocks) = (self.tokens.len(), self.block.tokens.len().div_ceil(BLOCK_COLUMNS));
        let columns = blocks * BLOCK_COLUMNS;
        let product = self.block.queries[0].times(k.from(self.tokens.start), count, k.stride);
        multiply_part(&product, 0..count, 0..blocks, &mut scratch.weights, columns);
        let product = self.block.gradients[0].times(v.from(self.tokens.start), count, v.stride);
        multiply_part(&product, 0..count, 0..blocks, &mut scratch.scores, columns);
        let padding = self.inputs.padding_of(self.text);
        vectorized(
            #[inline(always)]
            || {
                let rows =
                    scratch.weights.chunks_exact_mut(columns).zip(scratch.scores.chunks_exact_mut(columns));
                // Without dropout there are no factors.
                let mut factors = scratch.factors.chunks_exact(columns);
                for (key, (weights, scores)) in self.tokens.clone().zip(rows) {
                    let factors = factors.next().unwrap_or(&[]);
                    multiply_each(scores, factors);
                    if padding.is_some_and(|padding| padding[key]) {
                        weights.fill(0.0);
                        scores.fill(0.0);
                    } else {
                        self.score_row(key, weights, scores);
                        multiply_each(weights, factors);
                    }
                }
            },
        );
    }

    /// Replaces products of queries with a key by weights, and products of gradients with its value by the gradients of
    /// the products of the queries.
    #[inline(always)]
    fn score_row(&self, key: usize, weights: &mut [f32], scores: &mut [f32]) {
        let queries = self.inputs.queries_of(key);
        let of = |query: usize| {
            query.clamp(self.block.tokens.start, self.block.tokens.end) - self.block.tokens.start
        };
        let (start, end) = (of(queries.start), of(queries.end));
        let scale = self.inputs.scale();
        for row in [&mut *weights, &mut *scores] {
            row[..start].fill(0.0);
            row[end..].fill(0.0);
        }
        let by = self.block.log_sums[start..end].iter().zip(&self.block.products[start..end]);
        let each = weights[start..end].iter_mut().zip(&mut scores[start..end]).zip(by);
        match self.inputs.rules.softcap {
            None => {
                for ((weight, score), (log_sum, product)) in each {
                    *weight = exp(*weight * scale - log_sum);
                    *score = *weight * (*score - product) * scale;
                }
            }
            Some(cap) => {
                for ((weight, score), (log_sum, product)) in each {
                    let bound = tanh(*weight * scale / cap);
                    *weight = exp(bound * cap - log_sum);
                    *score = *weight * (*score - product) * scale * (1.0 - bound * bound);
                }
            }
        }
    }

    /// Transposes `[keys, queries]` to `[queries, keys]`.
    fn turn(&self, scores: &[f32], turned: &mut [f32]) {
        let (keys, queries) = (self.tokens.len(), self.block.tokens.len());
        let columns = queries.next_multiple_of(BLOCK_COLUMNS);
        for (key, row) in scores.chunks_exact(columns).take(keys).enumerate() {
            for (query, score) in row[..queries].iter().enumerate() {
                turned[query * keys + key] = *score;
            }
        }
    }
}
