//! Cached keys and values of one sequence.

use crate::layers::LayerCache;

/// Keys and values of one sequence in all attention layers of a network.
#[derive(Debug)]
pub struct KvCache {
    layers: Vec<LayerCache>,
    tokens: Vec<i32>,
    bytes: usize,
}

impl KvCache {
    pub(super) fn new(layers: Vec<LayerCache>, bytes: usize) -> Self {
        Self { layers, tokens: Vec::new(), bytes }
    }

    /// Number of tokens whose keys and values are cached.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Allocated bytes, including unused capacity.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Length of the common prefix of the cached tokens and `tokens`.
    pub fn common_prefix(&self, tokens: &[i32]) -> usize {
        self.tokens.iter().zip(tokens).take_while(|(cached, new)| cached == new).count()
    }

    /// A cache of the first tokens. The tensors are shared until one of the two caches grows.
    #[must_use]
    pub fn prefix(&self, tokens: usize) -> Self {
        let mut layers = self.layers.clone();
        for layer in &mut layers {
            layer.truncate(tokens);
        }
        Self { layers, tokens: self.tokens[..tokens].to_vec(), bytes: self.bytes }
    }

    /// Keeps the common prefix and records the rest of `tokens` as new; returns the number of tokens that were kept. The
    /// last token is always new, since its logits are wanted.
    pub(super) fn extend_to(&mut self, tokens: &[i32]) -> usize {
        let kept = self.common_prefix(tokens).min(tokens.len() - 1);
        self.tokens.truncate(kept);
        self.tokens.extend_from_slice(&tokens[kept..]);
        self.layers.iter_mut().for_each(|layer| layer.truncate(kept));
        kept
    }

    pub(super) fn layers_mut(&mut self) -> &mut [LayerCache] {
        &mut self.layers
    }
}
