//! Layers that several families are built from.

use crate::layers::{Activation, AttentionVariant, Layer};

pub(super) fn linear(out: usize) -> Layer {
    Layer::Linear { out, bias: true }
}

pub(super) fn activation(function: Activation) -> Layer {
    Layer::Activation { function }
}

pub(super) fn layer_norm() -> Layer {
    Layer::LayerNorm { eps: None }
}

/// A dropout layer; `None` if nothing is dropped, which keeps the trunk short.
pub(super) fn dropout(p: f64) -> Option<Layer> {
    (p > 0.0).then_some(Layer::Dropout { p })
}

/// `x + layers(x)`
pub(super) fn residual(layers: Vec<Layer>, drop_path: f64) -> Layer {
    Layer::Residual { layers, shortcut: Vec::new(), drop_path }
}

/// Attention without rotary positions, with biases and as many key as query heads.
pub(super) fn attention(heads: usize, causal: bool, dropout: f64) -> Layer {
    Layer::Attention {
        heads,
        kv_heads: None,
        causal,
        rope: false,
        rope_base: None,
        rope_scaling: None,
        bias: true,
        dropout,
        variant: AttentionVariant::default(),
    }
}

/// A linear layer, an activation and dropout for each hidden width.
pub(super) fn perceptron(hidden: &[usize], function: Activation, p: f64) -> Vec<Layer> {
    let block = |&out: &usize| [linear(out), activation(function)].into_iter().chain(dropout(p));
    hidden.iter().flat_map(block).collect()
}
