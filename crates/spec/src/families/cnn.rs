//! A plain convolutional network: `cnn`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::blocks::{activation, perceptron};
use crate::layers::{Activation, Layer};
use crate::model::Design;

/// Sizes of a convolutional network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CnnFamily {
    /// Channels of each block.
    pub channels: Vec<usize>,
    /// Width of the linear layer before the head.
    pub hidden: usize,
    /// Activation function of each block and of the linear layer.
    pub activation: Activation,
    /// Probability of zeroing a hidden value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

impl Default for CnnFamily {
    /// Two blocks, for images of about 28x28. Larger ones need a block more for each doubling, or the linear layer
    /// has most of the weights.
    fn default() -> Self {
        Self { channels: vec![32, 64], hidden: 128, activation: Activation::default(), dropout: 0.0 }
    }
}

impl CnnFamily {
    pub(crate) fn design(&self) -> Design {
        let block = |&out: &usize| {
            [
                // The batch norm that follows has the bias.
                Layer::Conv2d { out, kernel: 3, stride: 1, padding: 1, bias: false },
                Layer::BatchNorm {},
                activation(self.activation),
                Layer::MaxPool { kernel: 2, stride: None, padding: 0 },
            ]
        };
        let blocks = self.channels.iter().flat_map(block);
        let hidden = perceptron(&[self.hidden], self.activation, self.dropout);
        Design::from_layers(blocks.chain([Layer::Flatten {}]).chain(hidden).collect())
    }
}
