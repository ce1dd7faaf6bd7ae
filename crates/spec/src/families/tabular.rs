//! Families for tables.

use crate::families::{act, dropout, linear, residual};
use crate::layers::{Activation, Layer, Take};

/// Gorishniy et al. 2021, 3.2.
pub fn resnet(blocks: usize, width: usize, hidden: usize, p: f64) -> Vec<Layer> {
    let block = || {
        let mut layers = vec![Layer::BatchNorm {}, linear(hidden), act(Activation::Relu)];
        layers.extend(dropout(p));
        layers.push(linear(width));
        residual(layers, 0.0)
    };
    let mut layers = vec![linear(width)];
    layers.extend((0..blocks).map(|_| block()));
    layers.extend([Layer::BatchNorm {}, act(Activation::Relu)]);
    layers
}

/// Gorishniy et al. 2021, 3.3: norm first, but for the first attention; the class token is read.
pub fn ft_transformer(
    blocks: usize,
    width: usize,
    heads: usize,
    hidden: usize,
    attention_p: f64,
    p: f64,
) -> Vec<Layer> {
    let attention = Layer::Attention {
        heads,
        kv_heads: None,
        causal: false,
        rope: false,
        rope_base: None,
        rope_scaling: None,
        bias: true,
        dropout: attention_p,
    };
    let mut layers = vec![Layer::ClassToken {}];
    for block in 0..blocks {
        let mut attend = vec![attention.clone()];
        if block > 0 {
            attend.insert(0, Layer::LayerNorm { eps: None });
        }
        let reglu = Layer::Glu { function: Activation::Relu };
        let mut forward = vec![Layer::LayerNorm { eps: None }, linear(2 * hidden), reglu];
        forward.extend(dropout(p));
        forward.push(linear(width));
        layers.extend([residual(attend, 0.0), residual(forward, 0.0)]);
    }
    layers.extend([Layer::Take { at: Take::First }, Layer::LayerNorm { eps: None }, act(Activation::Relu)]);
    layers
}

/// Gorishniy et al. 2024, 3.2.
pub fn tabm(members: usize, hidden: &[usize], p: f64) -> Vec<Layer> {
    let mut layers = vec![Layer::Ensemble { members }];
    for (index, &out) in hidden.iter().enumerate() {
        layers.extend([Layer::BatchEnsemble { out, signs: index == 0 }, act(Activation::Relu)]);
        layers.extend(dropout(p));
    }
    layers
}
