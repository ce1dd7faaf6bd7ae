//! Forward pass over all steps.

use rayon::prelude::*;

use super::cells::{gru, lanes, lanes_mut, lstm};
use super::weights::{column_biases, pack_columns};
use super::{RecurrentCell, RecurrentOutput, RecurrentShape, RecurrentWeights};
use crate::matmul::{BLOCK_COLUMNS, PackedMatrix, multiply_part};
use crate::simd::vectorized;

/// States of `x` `[batch, time, input]`, from a state of zeros on.
pub fn forward(x: &[f32], weights: &RecurrentWeights<'_>, shape: &RecurrentShape) -> RecurrentOutput {
    let rows = shape.rows();
    let of_cells = if shape.cell == RecurrentCell::Lstm { shape.padded() } else { 0 };
    let (mut y, mut gates) = (vec![0.0; rows * shape.width], vec![0.0; rows * shape.columns()]);
    let mut cells = vec![0.0; rows * of_cells];
    if !shape.is_empty() {
        let layer = PackedLayer {
            ih: pack_columns(weights.ih, shape.cell.input_side(), shape.input, shape),
            hh: pack_columns(weights.hh, shape.cell.state_side(), shape.width, shape),
            bias: column_biases(weights, shape),
            shape,
        };
        let steps = shape.group() * shape.time;
        let mut of_cells = cells.chunks_mut((steps * of_cells).max(1));
        let groups = y.chunks_mut(steps * shape.width).zip(gates.chunks_mut(steps * shape.columns()));
        let groups: Vec<Group<'_>> =
            groups.map(|(y, gates)| Group { y, gates, cells: of_cells.next().unwrap_or_default() }).collect();
        groups.into_par_iter().enumerate().for_each(|(index, mut group)| {
            layer.run(&x[index * steps * shape.input..], &mut group);
        });
    }
    RecurrentOutput { y, gates, cells }
}

/// Output of a group of sequences.
struct Group<'a> {
    y: &'a mut [f32],
    gates: &'a mut [f32],
    cells: &'a mut [f32],
}

/// Weights in the order of the columns.
struct PackedLayer<'a> {
    ih: PackedMatrix,
    hh: PackedMatrix,
    bias: Vec<f32>,
    shape: &'a RecurrentShape,
}

impl PackedLayer<'_> {
    fn run(&self, x: &[f32], group: &mut Group<'_>) {
        let RecurrentShape { cell, time, input, width, .. } = *self.shape;
        let (columns, padded) = (self.shape.columns(), self.shape.padded());
        let (rows, blocks) = (group.gates.len() / columns, padded / BLOCK_COLUMNS);
        let (count, sides) = (rows / time, [cell.input_side(), cell.state_side()]);
        let [of_x, of_h] = sides.map(|side| 0..side.gates.len() * blocks);
        // The input's part of all steps.
        multiply_part(&self.ih.times(x, rows, input), 0..rows, of_x, group.gates, columns);
        let from_h_columns = sides[1].gates.len() * padded;
        let (mut from_h, mut state) = (vec![0.0; count * from_h_columns], vec![0.0; count * padded]);
        for step in 0..time {
            let at = self.shape.position(step);
            if step > 0 {
                let before = &group.y[self.shape.position(step - 1) * width..];
                let product = self.hh.times(before, count, time * width);
                multiply_part(&product, 0..count, of_h.clone(), &mut from_h, from_h_columns);
            }
            vectorized(
                #[inline(always)]
                || {
                    for sequence in 0..count {
                        let row = sequence * time + at;
                        let gates = lanes_mut(&mut group.gates[row * columns..][..columns]);
                        let from_h = lanes(&from_h[sequence * from_h_columns..][..from_h_columns]);
                        let state = &mut state[sequence * padded..][..padded];
                        let y = &mut group.y[row * width..][..width];
                        match cell {
                            RecurrentCell::Lstm => {
                                lstm(gates, from_h, lanes(&self.bias), lanes_mut(state), y);
                                group.cells[row * padded..][..padded].copy_from_slice(state);
                            }
                            RecurrentCell::Gru => gru(gates, from_h, lanes(&self.bias), lanes_mut(state), y),
                        }
                    }
                },
            );
        }
    }
}
