//! Keys and values of the tokens so far, so that each further token is computed alone.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::attention::Attention;
use crate::error::Error;
use crate::input::{Flow, Input};
use crate::layer::Layer;
use crate::network::Network;

/// Steps that are looked at are rounded up to a multiple of this: a GPU compiles kernels for each
/// shape.
const STRIDE: usize = 64;

/// What the attention layers of a network keep of one text.
#[derive(Debug)]
pub struct Cache {
    layers: Vec<Kept>,
    tokens: Vec<i32>,
}

/// Keys and values `[1, kv_heads, capacity, head]` of one layer.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Out only while it is written in place.
    pub k: Option<Tensor<4>>,
    /// The same.
    pub v: Option<Tensor<4>>,
    /// Steps that are filled.
    pub steps: usize,
    /// Steps that there is room for.
    pub capacity: usize,
}

impl Kept {
    /// Takes in the next steps; gives keys and values up to the last of them, and perhaps some beyond.
    pub fn add(&mut self, k: Tensor<4>, v: Tensor<4>) -> [Tensor<4>; 2] {
        let [_, heads, time, head] = k.dims();
        let from = self.steps;
        self.steps += time;
        let seen = self.steps.next_multiple_of(STRIDE).min(self.capacity);
        let put = |kept: &mut Option<Tensor<4>>, new: Tensor<4>| {
            let place = [0..1, 0..heads, from..from + time, 0..head];
            // `next` has seen that there is room, and nothing else takes a tensor out.
            let whole = kept.take().map_or(new.clone(), |kept| kept.slice_assign(place, new));
            *kept = Some(whole.clone());
            whole.narrow(2, 0, seen)
        };
        [put(&mut self.k, k), put(&mut self.v, v)]
    }
}

impl Cache {
    /// Tokens whose keys and values are kept.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }
}

impl Network {
    /// An empty cache for [`Network::next`].
    pub fn cache(&self, device: &Device) -> Cache {
        let layers = attentions(self.trunk());
        let layers = layers.iter().map(|layer| layer.kept(self.length(), device)).collect();
        Cache { layers, tokens: Vec::new() }
    }

    /// Bytes of a cache, which has room for the longest text.
    pub fn kept_bytes(&self) -> usize {
        attentions(self.trunk()).iter().map(|layer| layer.kept_width()).sum::<usize>()
            * self.length()
            * size_of::<f32>()
    }

    /// Logits `[output]` of the token after a text of at most the network's length, for an architecture
    /// that [`crate::Architecture::caches`]. What the cache holds of the text is not computed again.
    ///
    /// # Errors
    /// A text that is empty or too long; when the device fails.
    pub fn next(&self, text: &[i32], cache: &mut Cache, device: &Device) -> Result<Vec<f32>, Error> {
        if text.is_empty() || text.len() > self.length() {
            return Err(Error::TextLength { found: text.len(), most: self.length() });
        }
        let known = cache.tokens.len();
        // The last token has to go through, known or not.
        if known >= text.len() || text[..known] != cache.tokens {
            cache.tokens.clear();
            cache.layers.iter_mut().for_each(|kept| kept.steps = 0);
        }
        let new = &text[cache.tokens.len()..];
        let indices: Tensor<2, Int> =
            Tensor::from_data(TensorData::new(new.to_vec(), [1, new.len()]), device);
        let entry = self.enter(&Input { rows: 1, dense: None, indices: Some(indices) });
        let Flow::Sequence(x, _) = entry else {
            return Err(Error::NotFlat { found: entry.shape() });
        };
        let mut place = Place { kept: &mut cache.layers, at: 0, before: cache.tokens.len() };
        let [_, time, width] = x.dims();
        let last = run(self.trunk(), x, &mut place).narrow(1, time - 1, 1).reshape([1, 1, width]);
        let logits = self.head().each(Flow::Sequence(last, None));
        let fail = |why: String| Error::Device { device: "in generation".into(), why };
        let logits = logits.try_into_vec_as::<f32>().map_err(|error| fail(error.to_string()))?;
        cache.tokens.extend_from_slice(new);
        Ok(logits)
    }
}

/// Layers of attention in the order of the forward pass.
fn attentions(layers: &[Layer]) -> Vec<&Attention> {
    let each = layers.iter().map(|layer| match layer {
        Layer::Attention(attention) => vec![attention],
        Layer::Residual(residual) => [attentions(&residual.shortcut), attentions(&residual.layers)].concat(),
        _ => Vec::new(),
    });
    each.flatten().collect()
}

/// A walk through the layers.
struct Place<'a> {
    kept: &'a mut [Kept],
    /// The next attention layer.
    at: usize,
    /// Steps before the new ones.
    before: usize,
}

fn run(layers: &[Layer], x: Tensor<3>, place: &mut Place<'_>) -> Tensor<3> {
    layers.iter().fold(x, |x, layer| match layer {
        Layer::Attention(attention) => {
            place.at += 1;
            attention.forward_after(x, &mut place.kept[place.at - 1])
        }
        Layer::Position(position) => position.forward_from(x, place.before),
        Layer::Residual(residual) => {
            let short = run(&residual.shortcut, x.clone(), place);
            run(&residual.layers, x, place) + short
        }
        layer => match layer.forward(Flow::Sequence(x, None)) {
            Flow::Sequence(x, _) => x,
            // `Architecture::caches` has seen that every layer goes step by step.
            other => unreachable!("{layer:?} gave {:?}", other.shape()),
        },
    })
}
