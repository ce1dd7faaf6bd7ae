//! LSTM and GRU with the weights of `PyTorch`.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use cupola_spec::Cell;

use crate::error::Error;
use crate::fused::{DirectionWeights, recurrent};
use crate::precision::cast_like;
use crate::weights::ModuleBuilder;

/// `torch.nn.LSTM` or `GRU` with `num_layers = 1` and `batch_first = True`.
#[derive(Module, Debug)]
pub struct RecurrentModule {
    /// The forward direction, then the backward one if there is one.
    directions: Vec<Direction>,
    #[module(skip)]
    cell: Cell,
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
        Ok(Self { directions, cell })
    }

    /// `[batch, time, in]` to `[batch, time, directions * width]`.
    pub fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let run = |(index, direction): (usize, &Direction)| {
            let Direction { weight_ih, weight_hh, bias_ih, bias_hh } = direction;
            let weights = DirectionWeights {
                ih: cast_like(weight_ih.val(), &x),
                hh: cast_like(weight_hh.val(), &x),
                bias_ih: cast_like(bias_ih.val(), &x),
                bias_hh: cast_like(bias_hh.val(), &x),
            };
            recurrent(self.cell, x.clone(), weights, index > 0)
        };
        let mut each: Vec<Tensor<3>> = self.directions.iter().enumerate().map(run).collect();
        if each.len() == 1 { each.remove(0) } else { Tensor::cat(each, 2) }
    }
}
