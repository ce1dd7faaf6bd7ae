//! Weights in the order of the columns.

use std::borrow::Cow;

use super::{RecurrentShape, RecurrentWeights, Side};
use crate::matmul::PackedMatrix;
use crate::training::parts::add;

/// `[gates * width, input]` as the right side of a product with rows of `input` values.
pub(super) fn pack_columns(weight: &[f32], side: Side, input: usize, shape: &RecurrentShape) -> PackedMatrix {
    let mut packed = PackedMatrix::zeros(input, side.gates.len() * shape.padded());
    let size = shape.width * input;
    for (column, gate) in side.gates.iter().enumerate() {
        packed.write_rows(column * shape.padded(), &weight[gate * size..][..size], input);
    }
    packed
}

/// `[gates * width, input]` as the right side of a product with rows of columns.
pub(super) fn pack_transposed(
    weight: &[f32],
    side: Side,
    input: usize,
    shape: &RecurrentShape,
) -> PackedMatrix {
    let (size, padded) = (shape.width * input, shape.padded() * input);
    let in_order = size == padded && side.gates.is_sorted();
    let rows = if in_order {
        Cow::Borrowed(weight)
    } else {
        let mut rows = vec![0.0; side.gates.len() * padded];
        for (column, gate) in side.gates.iter().enumerate() {
            rows[column * padded..][..size].copy_from_slice(&weight[gate * size..][..size]);
        }
        Cow::Owned(rows)
    };
    let mut packed = PackedMatrix::default();
    packed.set_columns(&rows, [side.gates.len() * shape.padded(), input], input);
    packed
}

/// Sum of both biases for each column.
pub(super) fn column_biases(weights: &RecurrentWeights<'_>, shape: &RecurrentShape) -> Vec<f32> {
    let mut sums = vec![0.0; shape.columns()];
    let sides = [shape.cell.input_side(), shape.cell.state_side()];
    for (side, bias) in sides.into_iter().zip([weights.bias_ih, weights.bias_hh]) {
        for (column, gate) in (side.first..).zip(side.gates) {
            let sums = &mut sums[column * shape.padded()..][..shape.width];
            add(sums, &bias[gate * shape.width..][..shape.width]);
        }
    }
    sums
}
