//! `recurrent`: LSTM and GRU.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::layers::contract::{Init, LayerContract, Misfit, WeightSpec, sequence, work};

/// A recurrent cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Long short-term memory (Hochreiter and Schmidhuber 1997).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014), with the reset gate after the product, as in cuDNN.
    Gru,
}

impl Cell {
    /// Number of gates, whose weights are stacked along the first axis.
    pub fn gates(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// One recurrent layer, as `torch.nn.LSTM` or `GRU` with `num_layers = 1`. All weights are drawn with the
/// width of the hidden state as fan-in, which is `PyTorch`'s default.
pub(super) fn recurrent(
    input: &[usize],
    cell: Cell,
    width: usize,
    bidirectional: bool,
) -> Result<LayerContract, Misfit> {
    let (time, columns) = sequence(input)?;
    let rows = cell.gates().saturating_mul(width);
    let suffixes: &[&str] = if bidirectional { &["_l0", "_l0_reverse"] } else { &["_l0"] };
    let init = Init::Uniform { fan_in: width };
    let weights = suffixes.iter().flat_map(|suffix| {
        [
            WeightSpec::new(&format!("weight_ih{suffix}"), [rows, columns], init),
            WeightSpec::new(&format!("weight_hh{suffix}"), [rows, width], init),
            WeightSpec::new(&format!("bias_ih{suffix}"), [rows], init),
            WeightSpec::new(&format!("bias_hh{suffix}"), [rows], init),
        ]
    });
    let directions = suffixes.len();
    let per_step = work(&[rows as u64, columns.saturating_add(width) as u64]);
    let multiply_adds = work(&[directions as u64, time as u64, per_step]);
    let output = vec![time, directions.saturating_mul(width)];
    Ok(LayerContract::new(output, weights.collect(), multiply_adds))
}
