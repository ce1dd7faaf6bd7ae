//! LSTM and GRU with `PyTorch`'s weights.

use burn::module::{Module, Param};
use burn::tensor::{Tensor, activation};
use cupola_spec::Cell;

use crate::builder::Builder;
use crate::error::Error;
use crate::precision::like;
use crate::weights::Start;

/// One recurrent layer, as `torch.nn.LSTM`/`GRU` with `num_layers = 1` and `batch_first = True`.
#[derive(Module, Debug)]
pub struct Recurrent {
    /// Forward, and backward if there is one.
    passes: Vec<Pass>,
    #[module(skip)]
    cell: Cell,
    #[module(skip)]
    width: usize,
}

/// Weights of one direction, gates one above the other: i, f, g, o of an LSTM; r, z, n of a GRU.
#[derive(Module, Debug)]
pub struct Pass {
    /// `[gates * width, in]`
    weight_ih: Param<Tensor<2>>,
    /// `[gates * width, width]`
    weight_hh: Param<Tensor<2>>,
    bias_ih: Param<Tensor<1>>,
    bias_hh: Param<Tensor<1>>,
}

impl Recurrent {
    pub(crate) fn build(
        builder: &mut Builder<'_>,
        name: &str,
        cell: Cell,
        input: usize,
        width: usize,
        bidirectional: bool,
    ) -> Result<Self, Error> {
        let gates = if cell == Cell::Lstm { 4 } else { 3 } * width;
        let start = Start::Uniform { fan_in: width };
        let mut passes = Vec::new();
        for suffix in ["_l0", "_l0_reverse"].iter().take(1 + usize::from(bidirectional)) {
            passes.push(Pass {
                weight_ih: builder.param(&format!("{name}.weight_ih{suffix}"), [gates, input], start)?,
                weight_hh: builder.param(&format!("{name}.weight_hh{suffix}"), [gates, width], start)?,
                bias_ih: builder.param(&format!("{name}.bias_ih{suffix}"), [gates], start)?,
                bias_hh: builder.param(&format!("{name}.bias_hh{suffix}"), [gates], start)?,
            });
        }
        Ok(Self { passes, cell, width })
    }

    /// `[batch, time, in]` to `[batch, time, directions * width]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let each = self.passes.iter().enumerate().map(|(index, pass)| self.run(pass, x.clone(), index > 0));
        Tensor::cat(each.collect(), 2)
    }

    fn run(&self, pass: &Pass, x: Tensor<3>, backward: bool) -> Tensor<3> {
        let [batch, time, input] = x.dims();
        let width = self.width;
        let gates = pass.bias_ih.dims()[0];
        // The input's share of all steps at once.
        let x: Tensor<2> = x.reshape([batch * time, input]);
        let [ih, hh] = [&pass.weight_ih, &pass.weight_hh].map(|weight| like(weight.val(), &x).transpose());
        let [bias_ih, bias_hh] = [&pass.bias_ih, &pass.bias_hh].map(|bias| like(bias.val(), &x));
        let projected = (x.matmul(ih) + bias_ih.unsqueeze()).reshape([batch, time, gates]);
        let mut h: Tensor<2> = like(Tensor::<2>::zeros([batch, width], &projected.device()), &projected);
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

/// Next hidden and cell state.
fn lstm(gates: Tensor<2>, c: Tensor<2>, width: usize) -> (Tensor<2>, Tensor<2>) {
    let gate = |index: usize| gates.clone().narrow(1, index * width, width);
    let (i, f) = (activation::sigmoid(gate(0)), activation::sigmoid(gate(1)));
    let (g, o) = (activation::tanh(gate(2)), activation::sigmoid(gate(3)));
    let c = f * c + i * g;
    (o * activation::tanh(c.clone()), c)
}

/// Next hidden state.
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
