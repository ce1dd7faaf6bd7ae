//! The families as lists of layers.

pub mod residual;
pub mod tabular;
pub mod time;

use crate::layers::{Activation, Layer};

pub fn linear(out: usize) -> Layer {
    Layer::Linear { out, bias: true }
}

pub fn act(function: Activation) -> Layer {
    Layer::Activation { function }
}

/// No layer at all where nothing is dropped: the trunk stays as short as it can be.
pub fn dropout(p: f64) -> Option<Layer> {
    (p > 0.0).then_some(Layer::Dropout { p })
}

/// `x + layers(x)`
pub fn residual(layers: Vec<Layer>, drop_path: f64) -> Layer {
    Layer::Residual { layers, shortcut: Vec::new(), drop_path }
}

/// Linear, activation and dropout for each hidden width.
pub fn mlp(hidden: &[usize], function: Activation, p: f64) -> Vec<Layer> {
    let block = |&out: &usize| [linear(out), act(function)].into_iter().chain(dropout(p));
    hidden.iter().flat_map(block).collect()
}

/// Down to a code of `code` numbers and back again (Hinton and Salakhutdinov 2006).
pub fn autoencoder(hidden: &[usize], code: usize, function: Activation, p: f64) -> Vec<Layer> {
    let back: Vec<usize> = hidden.iter().rev().copied().collect();
    let mut layers = vec![Layer::Flatten {}];
    layers.extend(mlp(hidden, function, p));
    layers.push(linear(code));
    layers.extend(mlp(&back, function, p));
    layers
}

/// Conv 3x3, batch norm, activation and pool for each entry of `channels`, then one hidden layer.
pub fn cnn(channels: &[usize], hidden: usize, function: Activation, p: f64) -> Vec<Layer> {
    let block = |&out: &usize| {
        [
            // The batch norm that follows has the bias.
            Layer::Conv2d { out, kernel: 3, stride: 1, padding: 1, bias: false },
            Layer::BatchNorm {},
            act(function),
            Layer::MaxPool { kernel: 2, stride: None, padding: 0 },
        ]
    };
    let blocks = channels.iter().flat_map(block);
    blocks.chain([Layer::Flatten {}]).chain(mlp(&[hidden], function, p)).collect()
}
