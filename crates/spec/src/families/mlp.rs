//! Multi-layer perceptrons: `mlp` and `autoencoder`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::families::NumberEmbedding;
use crate::families::blocks::{linear, perceptron};
use crate::layers::{Activation, Layer};
use crate::model::Design;

/// Sizes of a multi-layer perceptron.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MlpFamily {
    /// Widths of the hidden layers.
    pub hidden: Vec<usize>,
    /// Activation function after each hidden layer.
    pub activation: Activation,
    /// Probability of zeroing a hidden value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
    /// Embedding of the numbers. Default: none, each number enters as it is scaled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<NumberEmbedding>,
}

impl Default for MlpFamily {
    /// Two layers of 256, within the sizes that Gorishniy et al. 2021 (table 11) search for tables.
    fn default() -> Self {
        Self { hidden: vec![256, 256], activation: Activation::default(), dropout: 0.0, numbers: None }
    }
}

impl MlpFamily {
    pub(crate) fn design(&self) -> Design {
        Design::from_layers(perceptron(&self.hidden, self.activation, self.dropout))
            .with_numbers(self.numbers)
    }
}

/// Sizes of an autoencoder (Hinton and Salakhutdinov 2006).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AutoencoderFamily {
    /// Widths of the hidden layers of the encoder; the decoder has the same in reverse.
    pub hidden: Vec<usize>,
    /// Width of the code.
    pub code: usize,
    /// Activation function after each hidden layer.
    pub activation: Activation,
    /// Probability of zeroing a hidden value in training.
    #[schemars(range(min = 0.0, max = 0.99))]
    pub dropout: f64,
}

impl Default for AutoencoderFamily {
    /// The hidden layers of `PyOD` (Zhao et al. 2019), with a code that is narrower than most tables.
    fn default() -> Self {
        Self { hidden: vec![64, 32], code: 8, activation: Activation::default(), dropout: 0.0 }
    }
}

impl AutoencoderFamily {
    pub(crate) fn design(&self) -> Design {
        let decoder: Vec<usize> = self.hidden.iter().rev().copied().collect();
        let mut layers = vec![Layer::Flatten {}];
        layers.extend(perceptron(&self.hidden, self.activation, self.dropout));
        layers.push(linear(self.code));
        layers.extend(perceptron(&decoder, self.activation, self.dropout));
        Design::from_layers(layers)
    }
}
