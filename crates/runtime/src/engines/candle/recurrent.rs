//! LSTM and GRU layers.

use candle_core::{Error as CandleError, Tensor};
use cupola_kernels::training::recurrent::{self, RecurrentCell, RecurrentShape, RecurrentWeights};
use cupola_nn::cell_kind;
use cupola_spec::Cell;

use super::tensors;
use super::weights::WeightLookup;
use crate::error::Error;

/// One recurrent layer, in one or both directions.
pub struct RecurrentLayer {
    directions: Vec<RecurrentDirection>,
    cell: RecurrentCell,
    width: usize,
}

/// Weights of one direction, with the gates stacked.
struct RecurrentDirection {
    /// `[gates * width, in]`
    ih: Vec<f32>,
    /// `[gates * width, width]`
    hh: Vec<f32>,
    /// `[gates * width]`
    bias_ih: Vec<f32>,
    /// `[gates * width]`
    bias_hh: Vec<f32>,
}

impl RecurrentLayer {
    pub fn new(
        lookup: &WeightLookup<'_>,
        module: &str,
        cell: Cell,
        width: usize,
        bidirectional: bool,
    ) -> Result<Self, Error> {
        let mut directions = Vec::new();
        for suffix in ["_l0", "_l0_reverse"].iter().take(1 + usize::from(bidirectional)) {
            let values = |part: &str| lookup.values(module, &format!("{part}{suffix}"));
            directions.push(RecurrentDirection {
                ih: values("weight_ih")?,
                hh: values("weight_hh")?,
                bias_ih: values("bias_ih")?,
                bias_hh: values("bias_hh")?,
            });
        }
        Ok(Self { directions, cell: cell_kind(cell), width })
    }

    /// Maps `[batch, time, in]` to `[batch, time, directions * width]`.
    pub fn forward(&self, x: &Tensor) -> Result<Tensor, CandleError> {
        let each =
            self.directions.iter().enumerate().map(|(index, direction)| self.run(direction, x, index > 0));
        Tensor::cat(&each.collect::<Result<Vec<_>, _>>()?, 2)
    }

    fn run(&self, direction: &RecurrentDirection, x: &Tensor, reversed: bool) -> Result<Tensor, CandleError> {
        let (batch, time, input) = x.dims3()?;
        let RecurrentDirection { ih, hh, bias_ih, bias_hh } = direction;
        let weights = RecurrentWeights { ih, hh, bias_ih, bias_hh };
        let shape = RecurrentShape { cell: self.cell, batch, time, input, width: self.width, reversed };
        tensors::map_rows(x, self.width, |x| recurrent::forward(x, &weights, &shape).y)
    }
}
