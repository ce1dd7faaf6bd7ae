//! Properties of text networks that allow shortcuts: trimmed padding and cached keys and values.

use cupola_spec::{Block, Head, Layer};

use super::{Architecture, InputSource};

impl Architecture {
    /// `true` if padding at the end of all texts of a batch can be trimmed without changing the logits: no layer before
    /// the reduction to one vector depends on the length.
    pub fn trims_padding(&self) -> bool {
        self.is_text() && self.head != Head::Steps && ignores_length(&self.trunk)
    }

    /// `true` if the logits of each step depend on earlier steps through attention alone, so that their keys and values
    /// can be cached (see [`crate::KvCache`]).
    pub fn supports_kv_cache(&self) -> bool {
        self.is_text() && self.head == Head::Steps && self.trunk.iter().all(is_causal)
    }

    /// `true` for a single text that enters the trunk without an encoder.
    fn is_text(&self) -> bool {
        matches!(
            self.sources.as_slice(),
            [InputSource { block: Block::Text { .. }, encoder, .. }] if encoder.is_empty()
        )
    }
}

/// `true` if all layers up to a `take` map steps to steps, or attend with a padding mask.
fn ignores_length(layers: &[Layer]) -> bool {
    let before = layers.iter().take_while(|layer| !matches!(layer, Layer::Take { .. }));
    before.clone().count() < layers.len()
        && before.into_iter().all(|layer| match layer {
            Layer::Residual { layers, shortcut, .. } => layers.iter().chain(shortcut).all(is_stepwise),
            layer => is_stepwise(layer),
        })
}

/// `true` if a step depends on no later step, and on earlier ones through attention alone.
fn is_causal(layer: &Layer) -> bool {
    match layer {
        Layer::Attention { causal, .. } => *causal,
        Layer::Residual { layers, shortcut, .. } => layers.iter().chain(shortcut).all(is_causal),
        layer => is_stepwise(layer),
    }
}

/// `true` for layers that compute each step alone, and for attention.
fn is_stepwise(layer: &Layer) -> bool {
    matches!(
        layer,
        Layer::Position {}
            | Layer::LayerNorm { .. }
            | Layer::RmsNorm { .. }
            | Layer::Dropout { .. }
            | Layer::Linear { .. }
            | Layer::Activation { .. }
            | Layer::Glu { .. }
            | Layer::Attention { .. }
    )
}
