//! Pointwise part of a step of one sequence.
//!
//! Columns are slices of whole vectors, one after the other. Lanes beyond the width of the layer hold zeros in states and
//! gradients.

use super::COLUMNS;
use crate::matmul::BLOCK_COLUMNS;
use crate::pointwise::{sigmoid, tanh};

/// Values that are computed together: the floats of a 512-bit vector.
pub(super) const LANES: usize = BLOCK_COLUMNS;

/// One vector.
pub(super) type Lanes = [f32; LANES];

/// Whole vectors of a slice.
#[inline(always)]
pub(super) fn lanes(values: &[f32]) -> &[Lanes] {
    values.as_chunks().0
}

/// Whole vectors of a slice.
#[inline(always)]
pub(super) fn lanes_mut(values: &mut [f32]) -> &mut [Lanes] {
    values.as_chunks_mut().0
}

/// Vector `at` of a row; zeros beyond its end.
#[inline(always)]
fn load(row: &[f32], at: usize) -> Lanes {
    let rest = row.get(at * LANES..).unwrap_or_default();
    if let Some(whole) = rest.first_chunk() {
        return *whole;
    }
    let mut found = [0.0; LANES];
    found[..rest.len()].copy_from_slice(rest);
    found
}

/// Sets vector `at` of a row, up to its end.
#[inline(always)]
fn store(row: &mut [f32], at: usize, values: &Lanes) {
    let rest = &mut row[at * LANES..];
    if let Some(whole) = rest.first_chunk_mut() {
        *whole = *values;
    } else {
        rest.copy_from_slice(&values[..rest.len()]);
    }
}

/// Vector `at` of each column.
#[inline(always)]
fn load_columns(columns: &[Lanes], at: usize) -> [Lanes; COLUMNS] {
    let width = columns.len() / COLUMNS;
    std::array::from_fn(
        #[inline(always)]
        |column| columns[column * width + at],
    )
}

/// Sets vector `at` of each column.
#[inline(always)]
fn store_columns(columns: &mut [Lanes], at: usize, values: &[Lanes; COLUMNS]) {
    let width = columns.len() / COLUMNS;
    for (column, values) in values.iter().enumerate() {
        columns[column * width + at] = *values;
    }
}

/// Sets `gates` from the parts of the input, which they hold, and of the state before, `from_h`; then `c`, which is that of
/// the step before, and `y`.
#[inline(always)]
pub(super) fn lstm(gates: &mut [Lanes], from_h: &[Lanes], bias: &[Lanes], c: &mut [Lanes], y: &mut [f32]) {
    for (at, c) in c.iter_mut().enumerate() {
        let mut values = load_columns(gates, at);
        let (from_h, bias) = (load_columns(from_h, at), load_columns(bias, at));
        let mut h = [0.0; LANES];
        for lane in 0..LANES {
            let [i, f, g, o]: [f32; COLUMNS] = std::array::from_fn(
                #[inline(always)]
                |column| values[column][lane] + from_h[column][lane] + bias[column][lane],
            );
            let (i, f, g, o) = (sigmoid(i), sigmoid(f), tanh(g), sigmoid(o));
            let next = f * c[lane] + i * g;
            c[lane] = next;
            h[lane] = o * tanh(next);
            for (column, value) in [i, f, g, o].into_iter().enumerate() {
                values[column][lane] = value;
            }
        }
        store_columns(gates, at, &values);
        store(y, at, &h);
    }
}

/// Sets `gates` from the parts of the input, which they hold, and of the state before, `from_h` (`r, z, n`); then `h`, which
/// is that of the step before, and `y`.
#[inline(always)]
pub(super) fn gru(gates: &mut [Lanes], from_h: &[Lanes], bias: &[Lanes], h: &mut [Lanes], y: &mut [f32]) {
    let width = h.len();
    for (at, h) in h.iter_mut().enumerate() {
        let mut values = load_columns(gates, at);
        let bias = load_columns(bias, at);
        let from_h = [from_h[at], from_h[width + at], from_h[2 * width + at]];
        for lane in 0..LANES {
            let r = sigmoid(values[1][lane] + from_h[0][lane] + bias[1][lane]);
            let z = sigmoid(values[2][lane] + from_h[1][lane] + bias[2][lane]);
            let state = from_h[2][lane] + bias[3][lane];
            let n = tanh(values[0][lane] + bias[0][lane] + r * state);
            h[lane] = n + z * (h[lane] - n);
            for (column, value) in [n, r, z, state].into_iter().enumerate() {
                values[column][lane] = value;
            }
        }
        store_columns(gates, at, &values);
        store(y, at, h);
    }
}

/// Gradient of the output of a step: its own, and what the steps after it add.
#[derive(Clone, Copy)]
pub(super) struct OutputGradient<'a> {
    pub own: &'a [f32],
    pub later: &'a [Lanes],
}

impl OutputGradient<'_> {
    #[inline(always)]
    fn load(&self, at: usize) -> Lanes {
        let mut sum = load(self.own, at);
        for (sum, later) in sum.iter_mut().zip(&self.later[at]) {
            *sum += later;
        }
        sum
    }
}

/// Sets the gradients of the columns before their functions, and replaces `dc`, the gradient of the cells from the steps
/// after, by that for the step before. `cells` are those of this step and of the step before, none at the first.
#[inline(always)]
pub(super) fn lstm_backward(
    gates: &[Lanes],
    cells: [&[f32]; 2],
    gradient: OutputGradient<'_>,
    dc: &mut [Lanes],
    dgates: &mut [Lanes],
) {
    for (at, dc) in dc.iter_mut().enumerate() {
        let values = load_columns(gates, at);
        let [c, before] = [load(cells[0], at), load(cells[1], at)];
        let dh = gradient.load(at);
        let mut found = [[0.0; LANES]; COLUMNS];
        for lane in 0..LANES {
            let [i, f, g, o] = [values[0][lane], values[1][lane], values[2][lane], values[3][lane]];
            let bound = tanh(c[lane]);
            let total = dc[lane] + dh[lane] * o * (1.0 - bound * bound);
            found[0][lane] = total * g * i * (1.0 - i);
            found[1][lane] = total * before[lane] * f * (1.0 - f);
            found[2][lane] = total * i * (1.0 - g * g);
            found[3][lane] = dh[lane] * bound * o * (1.0 - o);
            dc[lane] = total * f;
        }
        store_columns(dgates, at, &found);
    }
}

/// Sets the gradients of the columns before their functions, and replaces `direct`, the gradient of the output that passes
/// by the gates of the step after, by that for the step before. `before` is the state of the step before, empty at the
/// first.
#[inline(always)]
pub(super) fn gru_backward(
    gates: &[Lanes],
    before: &[f32],
    gradient: OutputGradient<'_>,
    direct: &mut [Lanes],
    dgates: &mut [Lanes],
) {
    for (at, direct) in direct.iter_mut().enumerate() {
        let values = load_columns(gates, at);
        let (before, dh) = (load(before, at), gradient.load(at));
        let mut found = [[0.0; LANES]; COLUMNS];
        for lane in 0..LANES {
            let [n, r, z, state] = [values[0][lane], values[1][lane], values[2][lane], values[3][lane]];
            let total = dh[lane] + direct[lane];
            let dn = total * (1.0 - z) * (1.0 - n * n);
            found[0][lane] = dn;
            found[1][lane] = dn * state * r * (1.0 - r);
            found[2][lane] = total * (before[lane] - n) * z * (1.0 - z);
            found[3][lane] = dn * r;
            direct[lane] = total * z;
        }
        store_columns(dgates, at, &found);
    }
}
