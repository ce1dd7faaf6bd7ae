//! Networks that read a sequence step by step: `lstm`, `gru` and `tcn`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::blocks::{activation, dropout, linear};
use crate::layers::{Activation, Cell, Layer, Take};
use crate::model::Design;

/// Sizes of a recurrent network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Recurrence {
    /// Width of the hidden state.
    pub width: usize,
    /// Number of layers.
    pub layers: usize,
    /// `true` if each layer also reads the sequence from its end.
    pub bidirectional: bool,
    /// Probability of zeroing a value between layers in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

impl Default for Recurrence {
    fn default() -> Self {
        Self { width: 128, layers: 1, bidirectional: false, dropout: 0.0 }
    }
}

impl Recurrence {
    /// Recurrent layers with dropout between them, whose last step is read.
    pub(crate) fn design(&self, cell: Cell) -> Design {
        let &Self { width, layers: count, bidirectional, dropout: p } = self;
        let mut layers = Vec::new();
        for index in 0..count {
            layers.push(Layer::Recurrent { cell, width, bidirectional });
            layers.extend(dropout(p).filter(|_| index + 1 < count));
        }
        // The backward pass ends at the first step, so both ends count.
        layers
            .push(Layer::Take { at: if bidirectional { Take::Mean } else { Take::Last }, also: Vec::new() });
        Design::from_layers(layers).with_tokens(width)
    }
}

/// Sizes of a temporal convolutional network (Bai et al. 2018).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct TcnFamily {
    /// Width of each block.
    pub channels: Vec<usize>,
    /// Number of steps that one convolution sees.
    pub kernel: usize,
    /// Probability of zeroing a value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

impl Default for TcnFamily {
    /// Four blocks see `1 + 2 (kernel - 1) (2^4 - 1)` = 61 steps.
    fn default() -> Self {
        Self { channels: vec![64; 4], kernel: 3, dropout: 0.0 }
    }
}

impl TcnFamily {
    /// Bai et al. 2018, 3.3, without weight norm.
    pub(crate) fn design(&self) -> Design {
        let mut layers = Vec::new();
        for (index, &out) in self.channels.iter().enumerate() {
            // No input is longer than 2^20 steps.
            let dilation = 1 << index.min(20);
            let convolution = Layer::Conv1d { out, kernel: self.kernel, dilation, causal: true };
            let mut body = Vec::new();
            for _ in 0..2 {
                body.extend([convolution.clone(), activation(Activation::Relu)]);
                body.extend(dropout(self.dropout));
            }
            layers.extend([
                Layer::Residual { layers: body, shortcut: vec![linear(out)], drop_path: 0.0 },
                activation(Activation::Relu),
            ]);
        }
        layers.push(Layer::Take { at: Take::Last, also: Vec::new() });
        Design::from_layers(layers)
    }
}
