//! Gradients of weights and biases, as products over all steps.

use std::ops::Range;

use rayon::prelude::*;

use super::cells::{LANES, Lanes};
use super::{COLUMNS, RecurrentGradients, RecurrentShape, Side};
use crate::matmul::{BLOCK_COLUMNS, PackedMatrix, TILE_BLOCKS, multiply_part};
use crate::simd::vectorized;
use crate::training::parts::add;

/// Steps that are summed at a time.
const SUM_ROWS: usize = 1_024;
/// Units of a column whose gradients are computed together: the columns of a tile.
const UNITS: usize = TILE_BLOCKS * BLOCK_COLUMNS;

/// Gradients of weights and biases from those of the columns.
pub(super) fn weight_gradients(
    x: &[f32],
    y: &[f32],
    dgates: &[f32],
    shape: &RecurrentShape,
) -> RecurrentGradients {
    let units = shape.cell.gates() * shape.width;
    if shape.is_empty() {
        let zeros = |count: usize| vec![0.0; units * count];
        return RecurrentGradients {
            x: Vec::new(),
            ih: zeros(shape.input),
            hh: zeros(shape.width),
            bias_ih: zeros(1),
            bias_hh: zeros(1),
        };
    }
    let of_steps = Steps { left: left_side(x, y, shape), dgates, shape };
    let each = shape.width.div_ceil(UNITS);
    let pieces = (0..COLUMNS * each).into_par_iter();
    let pieces: Vec<Piece> = pieces.map(|index| of_steps.piece(index / each, index % each * UNITS)).collect();
    let stack = |side: Side, of: fn(&Piece) -> &[f32]| {
        let pieces = side.columns().flat_map(|column| &pieces[column * each..][..each]);
        pieces.map(of).collect::<Vec<_>>().concat()
    };
    let (input, state) = (shape.cell.input_side(), shape.cell.state_side());
    RecurrentGradients {
        x: Vec::new(),
        ih: stack(input, |piece| &piece.ih),
        hh: stack(state, |piece| &piece.hh),
        bias_ih: stack(input, |piece| &piece.bias),
        bias_hh: stack(state, |piece| &piece.bias),
    }
}

/// Gradients of some units of a column; those of a side that does not add to it are empty.
struct Piece {
    /// `[units, input]`
    ih: Vec<f32>,
    /// `[units, width]`
    hh: Vec<f32>,
    /// `[units]`
    bias: Vec<f32>,
}

/// Values of all steps.
struct Steps<'a> {
    /// `[input + 1 + width, batch * time]`
    left: Vec<f32>,
    /// `[batch * time, 4 * padded width]`
    dgates: &'a [f32],
    shape: &'a RecurrentShape,
}

impl Steps<'_> {
    /// Gradients of at most [`UNITS`] units of a column from `start` on.
    fn piece(&self, column: usize, start: usize) -> Piece {
        let RecurrentShape { cell, input, width, .. } = *self.shape;
        let units = (width - start).min(UNITS);
        let padded = units.next_multiple_of(LANES);
        let of_x = if cell.input_side().has(column) { input } else { 0 };
        let of_h = if cell.state_side().has(column) { width } else { 0 };
        let results = input - of_x..input + 1 + of_h;
        let sums = self.sums(results, column * self.shape.padded() + start, padded);
        let (x, rest) = sums.split_at(of_x * padded);
        let (bias, h) = rest.split_at(padded);
        let turned = |sums: &[f32], count: usize| {
            let mut out = vec![0.0; units * count];
            transpose((sums, padded), [count, units], (&mut out, count));
            out
        };
        Piece { ih: turned(x, of_x), hh: turned(h, of_h), bias: bias[..units].to_vec() }
    }

    /// Products `[results, count]` of rows of the left side with `count` gradients from `first` on.
    fn sums(&self, results: Range<usize>, first: usize, count: usize) -> Vec<f32> {
        let (rows, columns) = (self.shape.rows(), self.shape.columns());
        let mut sums = vec![0.0; results.len() * count];
        let (mut packed, mut part) = (PackedMatrix::default(), Vec::new());
        for start in (0..rows).step_by(SUM_ROWS) {
            let length = (rows - start).min(SUM_ROWS);
            packed.set_columns(&self.dgates[start * columns + first..], [length, count], columns);
            let product = packed.times(&self.left[results.start * rows + start..], results.len(), rows);
            let blocks = 0..count / BLOCK_COLUMNS;
            if start == 0 {
                multiply_part(&product, 0..results.len(), blocks, &mut sums, count);
            } else {
                part.resize(sums.len(), 0.0);
                multiply_part(&product, 0..results.len(), blocks, &mut part, count);
                add(&mut sums, &part);
            }
        }
        sums
    }
}

/// `[input + 1 + width, batch * time]`: the transposed input, ones, and the transposed states before each step.
fn left_side(x: &[f32], y: &[f32], shape: &RecurrentShape) -> Vec<f32> {
    let RecurrentShape { time, input, width, .. } = *shape;
    let rows = shape.rows();
    let mut left = vec![0.0; (input + 1 + width) * rows];
    let (of_x, rest) = left.split_at_mut(input * rows);
    let (ones, of_h) = rest.split_at_mut(rows);
    ones.fill(1.0);
    of_x.par_chunks_mut(LANES * rows).enumerate().with_min_len(2).for_each(|(strip, out)| {
        transpose((&x[strip * LANES..], input), [rows, out.len() / rows], (out, rows));
    });
    if time == 1 {
        return left;
    }
    // The states lie a row further on, as if the sequences were one; that before the first step of each is zero.
    let [from, to] = if shape.reversed { [1, 0] } else { [0, 1] };
    of_h.par_chunks_mut(LANES * rows).enumerate().with_min_len(2).for_each(|(strip, out)| {
        let size = [rows - 1, out.len() / rows];
        transpose((&y[from * width + strip * LANES..], width), size, (&mut out[to..], rows));
        for first in out.iter_mut().skip(shape.position(0)).step_by(time) {
            *first = 0.0;
        }
    });
    left
}

/// Transposes `[rows, columns]`. Rows are as far apart as is given beside the values.
fn transpose((from, width): (&[f32], usize), [rows, columns]: [usize; 2], (to, height): (&mut [f32], usize)) {
    for row in (0..rows).step_by(LANES) {
        for column in (0..columns).step_by(LANES) {
            let from = &from[row * width + column..];
            let to = &mut to[column * height + row..];
            let size = [(rows - row).min(LANES), (columns - column).min(LANES)];
            if size == [LANES; 2] {
                transpose_square((from, width), (to, height));
            } else {
                for column in 0..size[1] {
                    for row in 0..size[0] {
                        to[column * height + row] = from[row * width + column];
                    }
                }
            }
        }
    }
}

/// Transposes a square of [`LANES`] rows and columns.
fn transpose_square((from, width): (&[f32], usize), (to, height): (&mut [f32], usize)) {
    vectorized(
        #[inline(always)]
        || {
            let mut square = [[0.0; LANES]; LANES];
            for (row, square) in square.iter_mut().enumerate() {
                square.copy_from_slice(&from[row * width..][..LANES]);
            }
            for column in 0..LANES {
                let turned: Lanes = std::array::from_fn(
                    #[inline(always)]
                    |row| square[row][column],
                );
                to[column * height..][..LANES].copy_from_slice(&turned);
            }
        },
    );
}
