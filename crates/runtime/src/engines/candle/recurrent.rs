//! LSTM and GRU layers.

use candle_core::{Device, Error as CandleError, Tensor};
use cupola_spec::Cell;

use super::tensors::sigmoid;
use super::weights::WeightLookup;
use crate::error::Error;

/// One recurrent layer, in one or both directions.
pub struct RecurrentLayer {
    directions: Vec<RecurrentDirection>,
    cell: Cell,
    width: usize,
}

/// Weights of one direction, transposed: `[in, gates * width]`.
struct RecurrentDirection {
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias_ih: Tensor,
    bias_hh: Tensor,
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
            let get = |part: &str| lookup.get(module, &format!("{part}{suffix}"));
            let transposed = |part: &str| lookup.transposed(module, &format!("{part}{suffix}"));
            directions.push(RecurrentDirection {
                weight_ih: transposed("weight_ih")?,
                weight_hh: transposed("weight_hh")?,
                bias_ih: get("bias_ih")?,
                bias_hh: get("bias_hh")?,
            });
        }
        Ok(Self { directions, cell, width })
    }

    pub fn forward(&self, x: &Tensor) -> Result<Tensor, CandleError> {
        let each =
            self.directions.iter().enumerate().map(|(index, direction)| self.run(direction, x, index > 0));
        Tensor::cat(&each.collect::<Result<Vec<_>, _>>()?, 2)
    }

    fn run(&self, direction: &RecurrentDirection, x: &Tensor, backward: bool) -> Result<Tensor, CandleError> {
        let (batch, time, _) = x.dims3()?;
        let width = self.width;
        let projected =
            x.contiguous()?.broadcast_matmul(&direction.weight_ih)?.broadcast_add(&direction.bias_ih)?;
        let mut h = Tensor::zeros((batch, width), candle_core::DType::F32, &Device::Cpu)?;
        let mut c = h.clone();
        let mut out = Vec::with_capacity(time);
        for step in 0..time {
            let at = if backward { time - 1 - step } else { step };
            let from_x = projected.narrow(1, at, 1)?.squeeze(1)?;
            let from_h = h.matmul(&direction.weight_hh)?.broadcast_add(&direction.bias_hh)?;
            let gate = |of: &Tensor, index: usize| of.narrow(1, index * width, width);
            match self.cell {
                Cell::Lstm => {
                    let gates = (from_x + from_h)?;
                    let (i, f) = (sigmoid(&gate(&gates, 0)?)?, sigmoid(&gate(&gates, 1)?)?);
                    let (g, o) = (gate(&gates, 2)?.tanh()?, sigmoid(&gate(&gates, 3)?)?);
                    c = ((f * &c)? + (i * g)?)?;
                    h = (o * c.tanh()?)?;
                }
                Cell::Gru => {
                    let r = sigmoid(&(gate(&from_x, 0)? + gate(&from_h, 0)?)?)?;
                    let z = sigmoid(&(gate(&from_x, 1)? + gate(&from_h, 1)?)?)?;
                    let n = (gate(&from_x, 2)? + (r * gate(&from_h, 2)?)?)?.tanh()?;
                    h = (&n + (z * (&h - &n)?)?)?;
                }
            }
            out.push(h.unsqueeze(1)?);
        }
        if backward {
            out.reverse();
        }
        Tensor::cat(&out, 1)
    }
}
