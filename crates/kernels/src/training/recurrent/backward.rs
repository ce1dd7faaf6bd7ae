//! Backward pass through time.

use rayon::prelude::*;

use super::cells::{OutputGradient, gru_backward, lanes, lanes_mut, lstm_backward};
use super::gradients::weight_gradients;
use super::weights::pack_transposed;
use super::{
    NeededGradients, RecurrentCell, RecurrentGradients, RecurrentShape, RecurrentValues, RecurrentWeights,
};
use crate::matmul::{BLOCK_COLUMNS, PackedMatrix, multiply_part};
use crate::simd::vectorized;

/// Gradients from the `gradient` `[batch, time, width]` of the output for the input `x`, and `values` of the forward pass.
pub fn backward(
    x: &[f32],
    weights: &RecurrentWeights<'_>,
    values: RecurrentValues<'_>,
    gradient: &[f32],
    shape: &RecurrentShape,
    needed: NeededGradients,
) -> RecurrentGradients {
    let run = || {
        let [dgates, dx] = column_gradients(weights, values, gradient, shape, needed.x);
        if !needed.weights {
            return RecurrentGradients { x: dx, ..RecurrentGradients::default() };
        }
        RecurrentGradients { x: dx, ..weight_gradients(x, values.y, &dgates, shape) }
    };
    // Enters the pool once instead of at each loop.
    rayon::scope(|_| run())
}

/// Gradients of the columns `[batch, time, 4 * padded width]`, and of the input, if it is `needed`.
fn column_gradients(
    weights: &RecurrentWeights<'_>,
    values: RecurrentValues<'_>,
    gradient: &[f32],
    shape: &RecurrentShape,
    needed: bool,
) -> [Vec<f32>; 2] {
    let mut dgates = vec![0.0; shape.rows() * shape.columns()];
    let mut dx = vec![0.0; if needed { shape.rows() * shape.input } else { 0 }];
    if shape.is_empty() {
        return [dgates, dx];
    }
    let pass = BackwardPass {
        hh: pack_transposed(weights.hh, shape.cell.state_side(), shape.width, shape),
        ih: needed.then(|| pack_transposed(weights.ih, shape.cell.input_side(), shape.input, shape)),
        values,
        gradient,
        shape,
    };
    let steps = shape.group() * shape.time;
    let mut of_x = dx.chunks_mut((steps * shape.input).max(1));
    let groups: Vec<[&mut [f32]; 2]> = dgates
        .chunks_mut(steps * shape.columns())
        .map(|dgates| [dgates, of_x.next().unwrap_or_default()])
        .collect();
    groups.into_par_iter().enumerate().for_each(|(index, [dgates, dx])| {
        pass.run(index * steps, dgates, dx);
    });
    [dgates, dx]
}

struct BackwardPass<'a> {
    /// `[columns of the state, width]`
    hh: PackedMatrix,
    /// `[columns of the input, input]`; `None` if the gradient of the input is not needed.
    ih: Option<PackedMatrix>,
    values: RecurrentValues<'a>,
    gradient: &'a [f32],
    shape: &'a RecurrentShape,
}

impl BackwardPass<'_> {
    /// Sets the gradients of the columns, and of the input, of a group of sequences that begins with row `start`.
    fn run(&self, start: usize, dgates: &mut [f32], dx: &mut [f32]) {
        let RecurrentShape { cell, time, input, .. } = *self.shape;
        let (columns, padded) = (self.shape.columns(), self.shape.padded());
        let rows = dgates.len() / columns;
        let count = rows / time;
        let (mut later, mut carried) = (vec![0.0; count * padded], vec![0.0; count * padded]);
        for step in (0..time).rev() {
            let at = self.shape.position(step);
            self.step(start, step, dgates, (&later, &mut carried));
            if step > 0 {
                let from = &dgates[at * columns + cell.state_side().first * padded..];
                let product = self.hh.times(from, count, time * columns);
                multiply_part(&product, 0..count, 0..padded / BLOCK_COLUMNS, &mut later, padded);
            }
        }
        if let Some(ih) = &self.ih {
            let product = ih.times(&dgates[cell.input_side().first * padded..], rows, columns);
            multiply_part(&product, 0..rows, 0..input.div_ceil(BLOCK_COLUMNS), dx, input);
        }
    }
    /// Sets the gradients of the columns of one step from what `later` steps add to its output, and what they carry to its
    /// cells or past their gates.
    fn step(&self, start: usize, step: usize, dgates: &mut [f32], (later, carried): (&[f32], &mut [f32])) {
        let RecurrentShape { cell, time, width, .. } = *self.shape;
        let (columns, padded) = (self.shape.columns(), self.shape.padded());
        let at = self.shape.position(step);
        let before = step.checked_sub(1).map(|step| self.shape.position(step));
        let RecurrentValues { y, gates, cells } = self.values;
        vectorized(
            #[inline(always)]
            || {
                let each = later.chunks_exact(padded).zip(carried.chunks_exact_mut(padded)).enumerate();
                for (sequence, (later, carried)) in each {
                    let row = start + sequence * time + at;
                    let before = before.map(|before| start + sequence * time + before);
                    let own = &self.gradient[row * width..][..width];
                    let gradient = OutputGradient { own, later: lanes(later) };
                    let gates = lanes(&gates[row * columns..][..columns]);
                    let dgates = &mut dgates[(sequence * time + at) * columns..][..columns];
                    let (dgates, carried) = (lanes_mut(dgates), lanes_mut(carried));
                    match cell {
                        RecurrentCell::Lstm => {
                            let of = |row: usize| &cells[row * padded..][..padded];
                            let states = [of(row), before.map_or(&[], of)];
                            lstm_backward(gates, states, gradient, carried, dgates);
                        }
                        RecurrentCell::Gru => {
                            let before = before.map_or(&[][..], |row| &y[row * width..][..width]);
                            gru_backward(gates, before, gradient, carried, dgates);
                        }
                    }
                }
            },
        );
    }
}
