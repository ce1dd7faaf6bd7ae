//! Families over tokens: texts, series, and images cut into patches.

use crate::families::{act, dropout, linear, residual};
use crate::layers::{Activation, Cell, Layer, Take};
use crate::model::Recurrence;

/// Dosovitskiy et al. 2021, with blocks as in [`transformer`].
pub fn vit(patch: usize, blocks: usize, width: usize, heads: usize, p: f64, drop_path: f64) -> Vec<Layer> {
    let mut layers = vec![Layer::Patch { size: patch, width }, Layer::ClassToken {}, Layer::Position {}];
    layers.extend(dropout(p));
    layers.extend(transformer(blocks, width, heads, false, p, drop_path));
    layers.extend([Layer::LayerNorm { eps: None }, Layer::Take { at: Take::First }]);
    layers
}

/// Positions, blocks, norm and mean.
pub fn text_transformer(blocks: usize, width: usize, heads: usize, p: f64) -> Vec<Layer> {
    // A text's tokens are `width` wide already; a series is brought to that width.
    let mut layers = vec![linear(width), Layer::Position {}];
    layers.extend(dropout(p));
    layers.extend(transformer(blocks, width, heads, false, p, 0.0));
    layers.extend([Layer::LayerNorm { eps: None }, Layer::Take { at: Take::Mean }]);
    layers
}

/// Blocks over the vectors of several inputs, norm and mean: their order says nothing.
pub fn combiner(blocks: usize, width: usize, heads: usize, p: f64) -> Vec<Layer> {
    let mut layers = transformer(blocks, width, heads, false, p, 0.0);
    layers.extend([Layer::LayerNorm { eps: None }, Layer::Take { at: Take::Mean }]);
    layers
}

/// Radford et al. 2019: positions, causal blocks, norm.
pub fn gpt(blocks: usize, width: usize, heads: usize, p: f64) -> Vec<Layer> {
    let mut layers = vec![Layer::Position {}];
    layers.extend(dropout(p));
    layers.extend(transformer(blocks, width, heads, true, p, 0.0));
    layers.push(Layer::LayerNorm { eps: None });
    layers
}

/// Touvron et al. 2023.
pub fn llama(
    blocks: usize,
    width: usize,
    heads: usize,
    kv_heads: Option<usize>,
    hidden: usize,
) -> Vec<Layer> {
    let plain = |out| Layer::Linear { out, bias: false };
    let attention = Layer::Attention {
        heads,
        kv_heads,
        causal: true,
        rope: true,
        rope_base: None,
        rope_scaling: None,
        bias: false,
        dropout: 0.0,
    };
    let norm = || Layer::RmsNorm { eps: None };
    let block = || {
        let swiglu = [plain(2 * hidden), Layer::Glu { function: Activation::Silu }, plain(width)];
        let forward = [norm()].into_iter().chain(swiglu).collect();
        [residual(vec![norm(), attention.clone()], 0.0), residual(forward, 0.0)]
    };
    (0..blocks).flat_map(|_| block()).chain([norm()]).collect()
}

/// Norm first: attention, then two linear layers with a GELU, four times as wide in between.
fn transformer(
    blocks: usize,
    width: usize,
    heads: usize,
    causal: bool,
    p: f64,
    drop_path: f64,
) -> Vec<Layer> {
    let attention = Layer::Attention {
        heads,
        kv_heads: None,
        causal,
        rope: false,
        rope_base: None,
        rope_scaling: None,
        bias: true,
        dropout: p,
    };
    let block = || {
        let mut attend = vec![Layer::LayerNorm { eps: None }, attention.clone()];
        attend.extend(dropout(p));
        let mut forward = vec![Layer::LayerNorm { eps: None }, linear(4 * width), act(Activation::Gelu)];
        forward.extend(dropout(p));
        forward.push(linear(width));
        forward.extend(dropout(p));
        [residual(attend, drop_path), residual(forward, drop_path)]
    };
    (0..blocks).flat_map(|_| block()).collect()
}

/// Zeng et al. 2023, 4: the head is linear in the trend and in what is left of the series.
pub fn dlinear(kernel: usize) -> Vec<Layer> {
    vec![Layer::Decompose { kernel }, Layer::Flatten {}]
}

/// Nie et al. 2023: stretches as tokens, positions, transformer blocks; the head reads all tokens.
pub fn patchtst(patch: [usize; 2], blocks: usize, width: usize, heads: usize, p: f64) -> Vec<Layer> {
    let [length, stride] = patch;
    let mut layers = vec![Layer::SeriesPatch { length, stride, width }, Layer::Position {}];
    layers.extend(dropout(p));
    layers.extend(transformer(blocks, width, heads, false, p, 0.0));
    layers.extend([Layer::LayerNorm { eps: None }, Layer::Flatten {}]);
    layers
}

/// Recurrent layers with dropout between them; the last step is read.
pub fn recurrent(cell: Cell, sizes: &Recurrence) -> Vec<Layer> {
    let &Recurrence { width, layers: count, bidirectional, dropout: p } = sizes;
    let mut layers = Vec::new();
    for index in 0..count {
        layers.push(Layer::Recurrent { cell, width, bidirectional });
        layers.extend(dropout(p).filter(|_| index + 1 < count));
    }
    // The backward pass ends at the first step, so both ends count.
    layers.push(Layer::Take { at: if bidirectional { Take::Mean } else { Take::Last } });
    layers
}

/// Bai et al. 2018, 3.3, without weight norm.
pub fn tcn(channels: &[usize], kernel: usize, p: f64) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (index, &out) in channels.iter().enumerate() {
        // Beyond 2^20 steps no input is long enough to tell.
        let dilation = 1 << index.min(20);
        let conv = Layer::Conv1d { out, kernel, dilation, causal: true };
        let mut body = vec![conv.clone(), act(Activation::Relu)];
        body.extend(dropout(p));
        body.extend([conv, act(Activation::Relu)]);
        body.extend(dropout(p));
        layers.extend([
            Layer::Residual { layers: body, shortcut: vec![linear(out)], drop_path: 0.0 },
            act(Activation::Relu),
        ]);
    }
    layers.push(Layer::Take { at: Take::Last });
    layers
}
