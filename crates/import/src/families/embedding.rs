//! Layers behind an encoder's tokens that make one vector of a text.

use cupola_nn::{Array, StateDict};
use cupola_spec::{Layer, Take};

/// Reduction of the tokens' vectors to one, and the layers after it.
#[derive(Debug, Clone, PartialEq)]
pub struct EmbeddingHead {
    /// Vectors that are put side by side, at least one.
    pub pooling: Vec<Take>,
    /// Layers after the pooling, each with its weights by their names within the layer.
    pub layers: Vec<(Layer, Vec<(String, Array)>)>,
}

/// Reduction of the tokens' vectors to one, without further layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pooling {
    /// Vector of a sequence.
    pub take: Take,
    /// `true` if the vector is scaled to length 1.
    pub normalize: bool,
}

impl From<Pooling> for EmbeddingHead {
    fn from(pooling: Pooling) -> Self {
        let layers = pooling.normalize.then(|| (Layer::Normalize {}, Vec::new()));
        Self { pooling: vec![pooling.take], layers: layers.into_iter().collect() }
    }
}

impl EmbeddingHead {
    /// Appends the layers to a trunk and their weights to the converted ones; returns the width of the vector, for
    /// tokens of `width`.
    pub(super) fn append(&self, trunk: &mut Vec<Layer>, converted: &mut StateDict, width: usize) -> usize {
        let mut takes = self.pooling.iter().copied();
        trunk.push(Layer::Take { at: takes.next().unwrap_or(Take::Mean), also: takes.collect() });
        let mut width = width.saturating_mul(self.pooling.len().max(1));
        for (layer, weights) in &self.layers {
            let module = format!("trunk.{}", trunk.len());
            for (name, array) in weights {
                converted.insert(format!("{module}.{name}"), array.clone());
            }
            if let Layer::Linear { out, .. } = layer {
                width = *out;
            }
            trunk.push(layer.clone());
        }
        width
    }
}
