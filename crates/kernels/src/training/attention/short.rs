//! Attention of short texts with narrow heads. All scores of a head are in memory at once; a task takes several texts and
//! uses the same working memory for all of their heads.

mod product;
mod scores;

use rayon::prelude::*;

use self::product::{Left, multiply};
use self::scores::Scores;
use super::{AttentionGradients, AttentionInputs, AttentionShape, Rows};
use crate::matmul::BLOCK_COLUMNS;

/// Most tokens of a short text.
const TOKENS: usize = 64;
/// Widest narrow head.
const WIDTH: usize = 32;
/// Multiplications of a task, about 25 microseconds.
const TASK: usize = 1 << 20;

/// Gradients of the queries, keys and values of a task's texts.
type TaskGradients<'a> = ((&'a mut [f32], &'a mut [f32]), &'a mut [f32]);

/// `true` if texts are short and heads narrow.
pub(super) fn applies(shape: &AttentionShape) -> bool {
    shape.time <= TOKENS && shape.head_width <= WIDTH
}

/// Sets `y` `[batch, time, heads * head_width]` and `log_sums` `[batch, heads, time]`.
pub(super) fn forward(inputs: &AttentionInputs<'_>, y: &mut [f32], log_sums: &mut [f32]) {
    let shape = inputs.shape;
    let texts = texts_per_task(&shape, 2);
    let [text, rows] = [shape.time * shape.heads * shape.head_width, shape.heads * shape.time];
    let run = |(task, (y, log_sums)): (usize, (&mut [f32], &mut [f32]))| {
        let mut pass = Pass::new(inputs);
        let each = y.chunks_exact_mut(text).zip(log_sums.chunks_exact_mut(rows));
        for (index, (y, log_sums)) in each.enumerate() {
            pass.forward(task * texts + index, y, log_sums);
        }
    };
    if texts >= shape.batch {
        return run((0, (y, log_sums)));
    }
    y.par_chunks_mut(texts * text).zip(log_sums.par_chunks_mut(texts * rows)).enumerate().for_each(run);
}

/// Gradients from the `gradient` `[batch, time, heads * head_width]` of the output.
pub(super) fn backward(
    inputs: &AttentionInputs<'_>,
    log_sums: &[f32],
    gradient: &[f32],
) -> AttentionGradients {
    let shape = inputs.shape;
    let text = |heads: usize| shape.time * heads * shape.head_width;
    let zeros = |heads: usize| vec![0.0; shape.batch * text(heads)];
    let (q, k, v) = (zeros(shape.heads), zeros(shape.kv_heads), zeros(shape.kv_heads));
    let mut found = AttentionGradients { q, k, v };
    let texts = texts_per_task(&shape, 5);
    let [own, shared] = [texts * text(shape.heads), texts * text(shape.kv_heads)];
    let run = |(task, ((q, k), v)): (usize, TaskGradients<'_>)| {
        let mut pass = Pass::new(inputs);
        let each = k.chunks_exact_mut(text(shape.kv_heads)).zip(v.chunks_exact_mut(text(shape.kv_heads)));
        for (index, (q, (k, v))) in q.chunks_exact_mut(text(shape.heads)).zip(each).enumerate() {
            let at = task * texts + index;
            let log_sums = &log_sums[at * shape.heads * shape.time..][..shape.heads * shape.time];
            let gradient = &gradient[at * text(shape.heads)..][..text(shape.heads)];
            pass.backward(at, log_sums, gradient, [q, k, v]);
        }
    };
    let AttentionGradients { q, k, v } = &mut found;
    if texts >= shape.batch {
        run((0, ((q, k), v)));
    } else {
        let parts = q.par_chunks_mut(own).zip(k.par_chunks_mut(shared)).zip(v.par_chunks_mut(shared));
        parts.enumerate().for_each(run);
    }
    found
}

/// Texts of a task that computes this number of products for each head, and takes as long as others.
fn texts_per_task(shape: &AttentionShape, products: usize) -> usize {
    let [columns, wide] = [shape.time, shape.head_width].map(|size| size.next_multiple_of(BLOCK_COLUMNS));
    // The exponentials cost about as much as sixteen multiplications.
    let work = shape.batch * shape.heads * shape.time * columns * (products * wide + 16);
    shape.batch.div_ceil((work / TASK).max(1)).max(1)
}

/// Working memory of a task. `columns` and `wide` are the tokens and the width of a head, rounded up to whole vectors.
struct Pass<'a> {
    inputs: &'a AttentionInputs<'a>,
    columns: usize,
    wide: usize,
    scores: Scores,
    /// Scores, then weights, and the gradients of the scores: a row for each key `[time, columns]`.
    weights: Vec<f32>,
    slopes: Vec<f32>,
    /// Queries and gradients of the output `[head_width, columns]`.
    q_columns: Vec<f32>,
    dy_columns: Vec<f32>,
    /// `[time, wide]`
    k_rows: Vec<f32>,
    v_rows: Vec<f32>,
    q_rows: Vec<f32>,
    dy_rows: Vec<f32>,
    /// Products `[time, wide]`: output or gradients of queries, keys and values.
    mixed: Vec<f32>,
    dk: Vec<f32>,
    dv: Vec<f32>,
}

impl<'a> Pass<'a> {
    fn new(inputs: &'a AttentionInputs<'a>) -> Self {
        let AttentionShape { time, head_width, .. } = inputs.shape;
        let [columns, wide] = [time, head_width].map(|size| size.next_multiple_of(BLOCK_COLUMNS));
        let zeros = |rows: usize, columns: usize| vec![0.0; rows * columns];
        Self {
            inputs,
            columns,
            wide,
            scores: Scores::new(inputs, columns),
            weights: zeros(time, columns),
            slopes: zeros(time, columns),
            q_columns: zeros(head_width, columns),
            dy_columns: zeros(head_width, columns),
            k_rows: zeros(time, wide),
            v_rows: zeros(time, wide),
            q_rows: zeros(time, wide),
            dy_rows: zeros(time, wide),
            mixed: zeros(time, wide),
            dk: zeros(time, wide),
            dv: zeros(time, wide),
        }
    }

    /// Sets the output `[time, heads * head_width]` and `log_sums` `[heads, time]` of a text.
    fn forward(&mut self, text: usize, y: &mut [f32], log_sums: &mut [f32]) {
        let AttentionShape { time, heads, kv_heads, head_width: width, .. } = self.inputs.shape;
        let (columns, wide) = (self.columns, self.wide);
        self.scores.set_text(self.inputs, text);
        for kv_head in 0..kv_heads {
            let (k, v) = (self.inputs.k.rows(text, kv_head), self.inputs.v.rows(text, kv_head));
            set_rows(&mut self.v_rows, v, [time, width], wide);
            for head in heads_of(&self.inputs.shape, kv_head) {
                set_columns(&mut self.q_columns, self.inputs.q.rows(text, head), [time, width], columns);
                multiply(rows(k), &self.q_columns, &mut self.weights, [time, width, columns], false);
                self.scores.set_factors(self.inputs, text, head);
                self.scores.weights(&mut self.weights, &mut log_sums[head * time..][..time]);
                let weights = Left::Columns { values: &self.weights, stride: columns };
                multiply(weights, &self.v_rows, &mut self.mixed, [time, time, wide], false);
                put_rows(&self.mixed, wide, &mut y[head * width..], [width, heads * width]);
            }
        }
    }

    /// Sets the gradients of the queries `[time, heads, head_width]`, keys and values `[time, kv_heads, head_width]`.
    fn backward(&mut self, text: usize, log_sums: &[f32], gradient: &[f32], [dq, dk, dv]: [&mut [f32]; 3]) {
        let AttentionShape { time, heads, kv_heads, head_width: width, .. } = self.inputs.shape;
        let (columns, wide) = (self.columns, self.wide);
        self.scores.set_text(self.inputs, text);
        for kv_head in 0..kv_heads {
            let (k, v) = (self.inputs.k.rows(text, kv_head), self.inputs.v.rows(text, kv_head));
            set_rows(&mut self.k_rows, k, [time, width], wide);
            for (index, head) in heads_of(&self.inputs.shape, kv_head).enumerate() {
                let dy = Rows { values: &gradient[head * width..], stride: heads * width };
                self.backward_scores([text, head], [k, v], &log_sums[head * time..][..time], dy);
                let slopes = Left::Columns { values: &self.slopes, stride: columns };
                multiply(slopes, &self.k_rows, &mut self.mixed, [time, time, wide], false);
                put_rows(&self.mixed, wide, &mut dq[head * width..], [width, heads * width]);
                let slopes = Left::Rows { values: &self.slopes, stride: columns };
                multiply(slopes, &self.q_rows, &mut self.dk, [time, time, wide], index > 0);
                let weights = Left::Rows { values: &self.weights, stride: columns };
                multiply(weights, &self.dy_rows, &mut self.dv, [time, time, wide], index > 0);
            }
            put_rows(&self.dk, wide, &mut dk[kv_head * width..], [width, kv_heads * width]);
            put_rows(&self.dv, wide, &mut dv[kv_head * width..], [width, kv_heads * width]);
        }
    }

    /// Sets the rows of queries and gradients of a head, its weights, and the gradients of its scores.
    fn backward_scores(
        &mut self,
        [text, head]: [usize; 2],
        [k, v]: [Rows<'_>; 2],
        log_sums: &[f32],
        dy: Rows<'_>,
    ) {
        let AttentionShape { time, head_width: width, .. } = self.inputs.shape;
        let (q, size) = (self.inputs.q.rows(text, head), [time, width]);
        let strides = [self.wide, self.columns];
        set_both([&mut self.q_rows, &mut self.q_columns], q, size, strides);
        set_both([&mut self.dy_rows, &mut self.dy_columns], dy, size, strides);
        let shape = [time, width, self.columns];
        multiply(rows(k), &self.q_columns, &mut self.weights, shape, false);
        multiply(rows(v), &self.dy_columns, &mut self.slopes, shape, false);
        self.scores.set_factors(self.inputs, text, head);
        self.scores.gradients(&mut self.weights, &mut self.slopes, log_sums);
    }
}

/// Left side of a product with the keys or values of a head.
fn rows(values: Rows<'_>) -> Left<'_> {
    Left::Rows { values: values.values, stride: values.stride }
}

/// Query heads that share a key head.
fn heads_of(shape: &AttentionShape, kv_head: usize) -> std::ops::Range<usize> {
    kv_head * shape.group()..(kv_head + 1) * shape.group()
}

/// Copies `count` rows of `width` values to rows that are `wide` apart.
fn set_rows(to: &mut [f32], from: Rows<'_>, [count, width]: [usize; 2], wide: usize) {
    for (index, to) in to.chunks_exact_mut(wide).take(count).enumerate() {
        to[..width].copy_from_slice(from.row(index, width));
    }
}

/// Transposes `count` rows of `width` values to columns of rows that are `columns` apart.
fn set_columns(to: &mut [f32], from: Rows<'_>, [count, width]: [usize; 2], columns: usize) {
    for index in 0..count {
        for (to, value) in to[index..].iter_mut().step_by(columns).zip(from.row(index, width)) {
            *to = *value;
        }
    }
}

/// Copies `count` rows of `width` values to rows, and transposes them to columns of rows, that are `strides` apart.
fn set_both(
    [rows, columns]: [&mut [f32]; 2],
    from: Rows<'_>,
    [count, width]: [usize; 2],
    strides: [usize; 2],
) {
    for (index, row) in rows.chunks_exact_mut(strides[0]).take(count).enumerate() {
        let column = columns[index..].iter_mut().step_by(strides[1]);
        for ((to, column), value) in row.iter_mut().zip(column).zip(from.row(index, width)) {
            *to = *value;
            *column = *value;
        }
    }
}

/// Copies rows that are `wide` apart to rows of `width` values that are `stride` apart.
fn put_rows(from: &[f32], wide: usize, to: &mut [f32], [width, stride]: [usize; 2]) {
    for (from, to) in from.chunks_exact(wide).zip(to.chunks_mut(stride)) {
        to[..width].copy_from_slice(&from[..width]);
    }
}
