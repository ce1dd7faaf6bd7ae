//! `linear`, and the embedding tables that stand before a trunk.

use crate::layers::contract::{Init, LayerContract, Misfit, WeightSpec, flat, volume, with_last, work};

/// Standard deviation of a text's token embeddings before training, as in GPT-2.
const TOKEN_DEVIATION: f64 = 0.02;

/// `y = x W^T + b` on the last axis, as `torch.nn.Linear`.
pub(super) fn linear(input: &[usize], out: usize, bias: bool) -> Result<LayerContract, Misfit> {
    let width = match *input {
        [width] | [_, width] => width,
        _ => flat(input)?,
    };
    let output = with_last(input, out);
    let multiply_adds = work(&[volume(&output), width as u64]);
    Ok(LayerContract::new(output, WeightSpec::linear("", width, out, bias), multiply_adds))
}

/// An embedding table that is looked up by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Embedding {
    /// One index column of a table, as `torch.nn.Embedding` draws it.
    Column,
    /// The tokens of a text of `length` tokens.
    Tokens {
        /// Tokens of one example.
        length: usize,
    },
}

impl Embedding {
    /// The contract of a table of `values` vectors of `width` numbers.
    pub fn contract(self, values: usize, width: usize) -> LayerContract {
        let (output, deviation) = match self {
            Self::Column => (vec![width], 1.0),
            Self::Tokens { length: 1 } => (vec![width], TOKEN_DEVIATION),
            Self::Tokens { length } => (vec![length, width], TOKEN_DEVIATION),
        };
        let weight = WeightSpec::new("weight", [values, width], Init::Normal { deviation });
        LayerContract::new(output, vec![weight], 0)
    }
}
