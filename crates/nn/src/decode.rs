//! Incremental decoding: each new token is computed alone, against cached keys and values.

mod kv_cache;

use std::ops::Range;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::error::Error;
use crate::layers::{AttentionModule, Hidden, LayerCache, LayerModule, NewSteps, RopeTables};
use crate::network::Network;

pub use self::kv_cache::KvCache;

/// A sequence whose next token is computed, with its cache.
#[derive(Debug)]
pub struct SequenceStep<'a> {
    /// All tokens of the sequence, as the network's indices.
    pub tokens: &'a [i32],
    /// Cache of a sequence with a common prefix, or of any other.
    pub cache: &'a mut KvCache,
    /// `true` for the logits after each token that the cache does not hold, instead of those after the last one.
    pub every_token: bool,
}

impl Network {
    /// An empty cache for [`Network::decode`], with room for the longest sequence.
    pub fn new_kv_cache(&self, device: &Device) -> KvCache {
        let layers = attention_layers(self.trunk());
        let layers = layers.iter().map(|layer| layer.new_cache(self.max_length(), device)).collect();
        KvCache::new(layers, self.kv_cache_bytes())
    }

    /// Allocated bytes of one cache.
    pub fn kv_cache_bytes(&self) -> usize {
        attention_layers(self.trunk()).iter().map(|layer| layer.cache_width()).sum::<usize>()
            * self.max_length()
            * size_of::<f32>()
    }

    /// Logits `[output]` of the token after each sequence, or `[new tokens, output]` for every token, for an architecture
    /// that [`supports_kv_cache`](crate::Architecture::supports_kv_cache). Cached steps are not computed again. All new steps
    /// pass through the layers as one batch; only attention knows where a sequence begins (Yu et al. 2022, "Orca",
    /// section 4.2).
    ///
    /// # Errors
    /// [`Error::TextLength`] for a sequence that is empty or too long, [`Error::Device`] if the device fails. The caches
    /// are unusable then.
    pub fn decode(
        &self,
        sequences: &mut [SequenceStep<'_>],
        device: &Device,
    ) -> Result<Vec<Vec<f32>>, Error> {
        let (mut tokens, mut positions, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut counts = Vec::with_capacity(sequences.len());
        let mut active = Vec::with_capacity(sequences.len());
        for SequenceStep { tokens: sequence, cache, every_token } in &mut *sequences {
            if sequence.is_empty() || sequence.len() > self.max_length() {
                return Err(Error::TextLength { found: sequence.len(), most: self.max_length() });
            }
            let cached = cache.extend_to(sequence);
            tokens.extend_from_slice(&sequence[cached..]);
            positions.extend(cached..sequence.len());
            let count = if *every_token { sequence.len() - cached } else { 1 };
            ends.extend(tokens.len() - count..tokens.len());
            counts.push(count);
            active.push(ActiveSequence::new(cache.layers_mut(), cached..sequence.len(), device));
        }
        if active.is_empty() {
            return Ok(Vec::new());
        }
        let indices = TensorData::new(tokens.clone(), [1, tokens.len()]);
        let x = self.embed(Tensor::from_data(indices, device));
        let x = x.ok_or_else(|| Error::NotFlat { found: vec![tokens.len()] })?;
        let mut pass = DecodePass { sequences: active, positions, rope: None, next_attention: 0, device };
        let x = pass.forward_all(self.trunk(), x);
        let last = x.select(1, index_tensor(&ends, device));
        let logits = self.head().forward(Hidden::Sequence(last, None));
        let fail = |why: String| Error::Device { device: "in generation".into(), why };
        let logits = logits.try_into_vec_as::<f32>().map_err(|error| fail(error.to_string()))?;
        let (width, mut rest) = (logits.len() / ends.len(), logits.as_slice());
        let each = counts.into_iter().map(|count| {
            let (own, others) = rest.split_at(count * width);
            rest = others;
            own.to_vec()
        });
        Ok(each.collect())
    }
}

fn index_tensor(indices: &[usize], device: &Device) -> Tensor<1, Int> {
    let count = indices.len();
    let indices: Vec<i32> = indices.iter().map(|n| i32::try_from(*n).unwrap_or(i32::MAX)).collect();
    Tensor::from_data(TensorData::new(indices, [count]), device)
}

/// Attention layers in the order of the forward pass.
fn attention_layers(layers: &[LayerModule]) -> Vec<&AttentionModule> {
    let each = layers.iter().map(|layer| match layer {
        LayerModule::Attention(attention) => vec![attention],
        LayerModule::Residual(residual) => {
            [attention_layers(&residual.shortcut), attention_layers(&residual.layers)].concat()
        }
        _ => Vec::new(),
    });
    each.flatten().collect()
}

/// A sequence with new steps in one forward pass.
struct ActiveSequence<'a> {
    /// Cache of each attention layer.
    layers: &'a mut [LayerCache],
    count: usize,
    future: Tensor<2, Bool>,
}

impl<'a> ActiveSequence<'a> {
    fn new(layers: &'a mut [LayerCache], steps: Range<usize>, device: &Device) -> Self {
        let seen = layers.first().map_or(1, |cache| cache.seen(steps.end));
        // The mask also hides the unfilled steps after the last one.
        let offset = i64::try_from(steps.start).unwrap_or(i64::MAX);
        let future = Tensor::tril_mask([steps.len(), seen], offset, device);
        Self { layers, count: steps.len(), future }
    }
}

/// One forward pass of new steps.
struct DecodePass<'a> {
    sequences: Vec<ActiveSequence<'a>>,
    /// Position of each new token in its sequence.
    positions: Vec<usize>,
    /// Tables of the previous attention layer, which mostly serve all others.
    rope: Option<RopeTables>,
    /// Index of the next attention layer.
    next_attention: usize,
    device: &'a Device,
}

impl DecodePass<'_> {
    fn forward_all(&mut self, layers: &[LayerModule], x: Tensor<3>) -> Tensor<3> {
        layers.iter().fold(x, |x, layer| self.forward(layer, x))
    }

    fn forward(&mut self, layer: &LayerModule, x: Tensor<3>) -> Tensor<3> {
        match layer {
            LayerModule::Attention(attention) => self.attend(attention, x),
            LayerModule::Position(position) => {
                position.forward_at(x, index_tensor(&self.positions, self.device))
            }
            LayerModule::Residual(residual) => {
                let shortcut = self.forward_all(&residual.shortcut, x.clone());
                self.forward_all(&residual.layers, x) + shortcut
            }
            layer => match layer.forward(Hidden::Sequence(x, None)) {
                Hidden::Sequence(x, _) => x,
                // `Architecture::supports_kv_cache` has checked that every layer maps steps to steps.
                other => unreachable!("{layer:?} returned {:?}", other.shape()),
            },
        }
    }

    fn attend(&mut self, attention: &AttentionModule, x: Tensor<3>) -> Tensor<3> {
        if !self.rope.as_ref().is_some_and(|tables| attention.uses(tables)) {
            self.rope = attention.rope_tables(&self.positions, self.device);
        }
        let steps = self.sequences.iter_mut().map(|sequence| NewSteps {
            cache: &mut sequence.layers[self.next_attention],
            count: sequence.count,
            future: sequence.future.clone(),
        });
        let mut steps: Vec<NewSteps<'_>> = steps.collect();
        self.next_attention += 1;
        attention.forward_cached(x, &mut steps, self.rope.as_ref())
    }
}

#[cfg(test)]
mod tests;
