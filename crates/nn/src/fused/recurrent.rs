//! Recurrent layers.

use burn::backend::TensorMetadata;
use burn::backend::flex::FlexTensor;
use burn::tensor::{Tensor, activation};
use cupola_kernels::training::recurrent::{
    self as kernel, NeededGradients, RecurrentCell, RecurrentShape, RecurrentValues, RecurrentWeights,
};
use cupola_spec::Cell;

use super::{FusedOp, apply, flex, values, wrap};
use crate::precision::cast_like;

/// Weights of one direction, with the gates stacked: i, f, g, o of an LSTM; r, z, n of a GRU.
pub(crate) struct DirectionWeights {
    /// `[gates * width, input]`
    pub ih: Tensor<2>,
    /// `[gates * width, width]`
    pub hh: Tensor<2>,
    /// `[gates * width]`
    pub bias_ih: Tensor<1>,
    /// `[gates * width]`
    pub bias_hh: Tensor<1>,
}

/// States `[batch, time, width]` of one direction of a layer for `x` `[batch, time, input]`, from a state of zeros on;
/// `reversed` begins with the last step.
pub(crate) fn recurrent(cell: Cell, x: Tensor<3>, weights: DirectionWeights, reversed: bool) -> Tensor<3> {
    let DirectionWeights { ih, hh, bias_ih, bias_hh } = weights;
    let op = RecurrentOp { cell: cell_kind(cell), reversed };
    let inputs = [
        x.into_dispatch(),
        ih.into_dispatch(),
        hh.into_dispatch(),
        bias_ih.into_dispatch(),
        bias_hh.into_dispatch(),
    ];
    match apply(op, inputs) {
        Ok(y) => wrap(y),
        Err([x, ih, hh, bias_ih, bias_hh]) => {
            let weights = DirectionWeights {
                ih: wrap(ih),
                hh: wrap(hh),
                bias_ih: wrap(bias_ih),
                bias_hh: wrap(bias_hh),
            };
            composed(cell, wrap(x), weights, reversed)
        }
    }
}

/// Kernel of a declared cell.
pub fn cell_kind(cell: Cell) -> RecurrentCell {
    match cell {
        Cell::Lstm => RecurrentCell::Lstm,
        Cell::Gru => RecurrentCell::Gru,
    }
}

#[derive(Debug)]
struct RecurrentOp {
    cell: RecurrentCell,
    reversed: bool,
}

impl RecurrentOp {
    fn shape(&self, x: &FlexTensor, hh: &FlexTensor) -> RecurrentShape {
        let [batch, time, input] = x.shape().dims();
        let [_, width] = hh.shape().dims();
        RecurrentShape { cell: self.cell, batch, time, input, width, reversed: self.reversed }
    }
}

fn weights_of([ih, hh, bias_ih, bias_hh]: [&FlexTensor; 4]) -> RecurrentWeights<'_> {
    RecurrentWeights { ih: values(ih), hh: values(hh), bias_ih: values(bias_ih), bias_hh: values(bias_hh) }
}

/// Inputs and states of the forward pass, for the backward pass.
#[derive(Debug, Clone)]
struct SavedStates {
    inputs: [FlexTensor; 5],
    y: FlexTensor,
    gates: Vec<f32>,
    cells: Vec<f32>,
}

/// Inputs are the sequences, weights of input and state, and their biases.
impl FusedOp<5> for RecurrentOp {
    type Saved = SavedStates;

    fn forward(&self, inputs: [FlexTensor; 5]) -> (FlexTensor, SavedStates) {
        let [x, ih, hh, bias_ih, bias_hh] = &inputs;
        let shape = self.shape(x, hh);
        let found = kernel::forward(values(x), &weights_of([ih, hh, bias_ih, bias_hh]), &shape);
        let y = flex(found.y, [shape.batch, shape.time, shape.width]);
        (y.clone(), SavedStates { inputs, y, gates: found.gates, cells: found.cells })
    }

    fn backward(
        &self,
        saved: SavedStates,
        gradient: FlexTensor,
        needed: [bool; 5],
    ) -> [Option<FlexTensor>; 5] {
        let [x, ih, hh, bias_ih, bias_hh] = &saved.inputs;
        let shape = self.shape(x, hh);
        let weights = needed[1..].contains(&true);
        let found = kernel::backward(
            values(x),
            &weights_of([ih, hh, bias_ih, bias_hh]),
            RecurrentValues { y: values(&saved.y), gates: &saved.gates, cells: &saved.cells },
            values(&gradient),
            &shape,
            NeededGradients { x: needed[0], weights },
        );
        [
            needed[0].then(|| flex(found.x, x.shape())),
            weights.then(|| flex(found.ih, ih.shape())),
            weights.then(|| flex(found.hh, hh.shape())),
            weights.then(|| flex(found.bias_ih, bias_ih.shape())),
            weights.then(|| flex(found.bias_hh, bias_hh.shape())),
        ]
    }
}

/// The layer by Burn's operations, step by step.
fn composed(cell: Cell, x: Tensor<3>, weights: DirectionWeights, reversed: bool) -> Tensor<3> {
    let [batch, time, input] = x.dims();
    let [gates, width] = weights.hh.dims();
    // The input's part of the gates, for all steps in one product.
    let x: Tensor<2> = x.reshape([batch * time, input]);
    let [ih, hh] = [weights.ih, weights.hh].map(Tensor::transpose);
    let projected = (x.matmul(ih) + weights.bias_ih.unsqueeze()).reshape([batch, time, gates]);
    let mut h: Tensor<2> = cast_like(Tensor::<2>::zeros([batch, width], &projected.device()), &projected);
    let mut c = h.clone();
    let mut out = Vec::with_capacity(time);
    for step in 0..time {
        let at = if reversed { time - 1 - step } else { step };
        let from_x: Tensor<2> = projected.clone().narrow(1, at, 1).reshape([batch, gates]);
        let from_h = h.clone().matmul(hh.clone()) + weights.bias_hh.clone().unsqueeze();
        (h, c) = match cell {
            Cell::Lstm => lstm(from_x + from_h, c, width),
            Cell::Gru => (gru(from_x, from_h, h, width), c),
        };
        out.push(h.clone().reshape([batch, 1, width]));
    }
    if reversed {
        out.reverse();
    }
    Tensor::cat(out, 1)
}

/// Next hidden and cell state (Hochreiter and Schmidhuber 1997).
fn lstm(gates: Tensor<2>, c: Tensor<2>, width: usize) -> (Tensor<2>, Tensor<2>) {
    let gate = |index: usize| gates.clone().narrow(1, index * width, width);
    let (i, f) = (activation::sigmoid(gate(0)), activation::sigmoid(gate(1)));
    let (g, o) = (activation::tanh(gate(2)), activation::sigmoid(gate(3)));
    let c = f * c + i * g;
    (o * activation::tanh(c.clone()), c)
}

/// Next hidden state (Cho et al. 2014).
fn gru(from_x: Tensor<2>, from_h: Tensor<2>, h: Tensor<2>, width: usize) -> Tensor<2> {
    let both = |index: usize| {
        let (x, h) = (from_x.clone().narrow(1, index * width, width), from_h.clone());
        activation::sigmoid(x + h.narrow(1, index * width, width))
    };
    let (r, z) = (both(0), both(1));
    let new = from_x.clone().narrow(1, 2 * width, width) + r * from_h.clone().narrow(1, 2 * width, width);
    let n = activation::tanh(new);
    // (1 - z) n + z h
    n.clone() + z * (h - n)
}
