//! LSTM and GRU with the weights of `PyTorch`.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};
use cupola_spec::Cell;

use crate::error::Error;
use crate::precision::cast_like;
use crate::weights::ModuleBuilder;

/// `torch.nn.LSTM` or `GRU` with `num_layers = 1` and `batch_first = True`.
#[derive(Module, Debug)]
pub struct RecurrentModule {
    /// The forward direction, then the backward one if there is one.
    directions: Vec<Direction>,
    #[module(skip)]
    cell: Cell,
    #[module(skip)]
    width: usize,
}

/// Weights of one direction, with the gates stacked: i, f, g, o of an LSTM; r, z, n of a GRU.
#[derive(Module, Debug)]
pub struct Direction {
    /// `[gates * width, in]`
    weight_ih: Param<Tensor<2>>,
    /// `[gates * width, width]`
    weight_hh: Param<Tensor<2>>,
    bias_ih: Param<Tensor<1>>,
    bias_hh: Param<Tensor<1>>,
}

impl RecurrentModule {
    pub(super) fn build(
        module: &mut ModuleBuilder<'_, '_>,
        cell: Cell,
        width: usize,
        bidirectional: bool,
    ) -> Result<Self, Error> {
        let mut directions = Vec::new();
        for suffix in ["_l0", "_l0_reverse"].iter().take(1 + usize::from(bidirectional)) {
            directions.push(Direction {
                weight_ih: module.param(&format!("weight_ih{suffix}"))?,
                weight_hh: module.param(&format!("weight_hh{suffix}"))?,
                bias_ih: module.param(&format!("bias_ih{suffix}"))?,
                bias_hh: module.param(&format!("bias_hh{suffix}"))?,
            });
        }
        Ok(Self { directions, cell, width })
    }

    /// `[batch, time, in]` to `[batch, time, directions * width]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let each = self
            .directions
            .iter()
            .enumerate()
            .map(|(index, direction)| self.run(direction, x.clone(), index > 0));
        Tensor::cat(each.collect(), 2)
    }

    fn run(&self, direction: &Direction, x: Tensor<3>, backward: bool) -> Tensor<3> {
        let [batch, time, input] = x.dims();
        let width = self.width;
        let gates = direction.bias_ih.dims()[0];
        // The input's part of the gates, for all steps in one product.
        let x: Tensor<2> = x.reshape([batch * time, input]);
        let [ih, hh] = [&direction.weight_ih, &direction.weight_hh]
            .map(|weight| cast_like(weight.val(), &x).transpose());
        let [bias_ih, bias_hh] =
            [&direction.bias_ih, &direction.bias_hh].map(|bias| cast_like(bias.val(), &x));
        let projected = (x.matmul(ih) + bias_ih.unsqueeze()).reshape([batch, time, gates]);
        let mut h: Tensor<2> = cast_like(Tensor::<2>::zeros([batch, width], &projected.device()), &projected);
        let mut c = h.clone();
        let mut out = Vec::with_capacity(time);
        for step in 0..time {
            let at = if backward { time - 1 - step } else { step };
            let from_x: Tensor<2> = projected.clone().narrow(1, at, 1).reshape([batch, gates]);
            let from_h = h.clone().matmul(hh.clone()) + bias_hh.clone().unsqueeze();
            (h, c) = match self.cell {
                Cell::Lstm => lstm(from_x + from_h, c, width),
                Cell::Gru => (gru(from_x, from_h, h, width), c),
            };
            out.push(h.clone().reshape([batch, 1, width]));
        }
        if backward {
            out.reverse();
        }
        Tensor::cat(out, 1)
    }
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
