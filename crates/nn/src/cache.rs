//! Keys and values of the tokens so far, so that each further token is computed alone.

use std::ops::Range;

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use crate::attention::{Attention, Turns};
use crate::error::Error;
use crate::input::Flow;
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
    /// That it takes, whatever is filled of it.
    bytes: usize,
}

/// Keys and values `[1, kv_heads, capacity, head]` of one layer.
#[derive(Debug, Clone)]
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
        let seen = self.seen(self.steps);
        let put = |kept: &mut Option<Tensor<4>>, new: Tensor<4>| {
            let place = [0..1, 0..heads, from..from + time, 0..head];
            // `next` has seen that there is room, and nothing else takes a tensor out.
            let whole = kept.take().map_or(new.clone(), |kept| kept.slice_assign(place, new));
            *kept = Some(whole.clone());
            whole.narrow(2, 0, seen)
        };
        [put(&mut self.k, k), put(&mut self.v, v)]
    }

    /// Steps that are looked at when so many are filled.
    fn seen(&self, steps: usize) -> usize {
        steps.next_multiple_of(STRIDE).min(self.capacity)
    }
}

/// A text whose next token is wanted, and what is kept of it.
#[derive(Debug)]
pub struct Next<'a> {
    /// Its tokens, as far as the network sees them.
    pub text: &'a [i32],
    /// Of a text that began so, or of any other.
    pub cache: &'a mut Cache,
}

impl Cache {
    /// Tokens whose keys and values are kept.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Bytes that it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Tokens that `text` begins with as well.
    pub fn common(&self, text: &[i32]) -> usize {
        self.tokens.iter().zip(text).take_while(|(kept, now)| kept == now).count()
    }

    /// A copy of its first tokens, made when either of the two goes on.
    #[must_use]
    pub fn beginning(&self, tokens: usize) -> Self {
        let layers = self.layers.iter().map(|kept| Kept { steps: tokens, ..kept.clone() }).collect();
        Self { layers, tokens: self.tokens[..tokens].to_vec(), bytes: self.bytes }
    }

    /// Forgets what the text does not begin with; its last token has to go through, known or not.
    fn keep(&mut self, text: &[i32]) {
        let steps = self.common(text).min(text.len() - 1);
        self.tokens.truncate(steps);
        self.layers.iter_mut().for_each(|kept| kept.steps = steps);
    }
}

impl Network {
    /// An empty cache for [`Network::next`].
    pub fn cache(&self, device: &Device) -> Cache {
        let layers = attentions(self.trunk());
        let layers = layers.iter().map(|layer| layer.kept(self.length(), device)).collect();
        Cache { layers, tokens: Vec::new(), bytes: self.kept_bytes() }
    }

    /// Bytes of a cache, which has room for the longest text.
    pub fn kept_bytes(&self) -> usize {
        attentions(self.trunk()).iter().map(|layer| layer.kept_width()).sum::<usize>()
            * self.length()
            * size_of::<f32>()
    }

    /// Logits `[output]` of the token after each of these texts, for an architecture that
    /// [`crate::Architecture::caches`]. What their caches hold is not computed again, and all that is new goes through
    /// the layers as one batch; only attention knows where a text begins (Yu et al. 2022, "Orca", section 4.2).
    ///
    /// # Errors
    /// A text that is empty or too long; when the device fails. The caches are of no use then.
    pub fn next(&self, texts: &mut [Next<'_>], device: &Device) -> Result<Vec<Vec<f32>>, Error> {
        let (mut tokens, mut steps, mut ends) = (Vec::new(), Vec::new(), Vec::new());
        let mut going = Vec::with_capacity(texts.len());
        for Next { text, cache } in &mut *texts {
            if text.is_empty() || text.len() > self.length() {
                return Err(Error::TextLength { found: text.len(), most: self.length() });
            }
            cache.keep(text);
            let before = cache.tokens.len();
            cache.tokens.extend_from_slice(&text[before..]);
            tokens.extend_from_slice(&text[before..]);
            steps.extend(before..text.len());
            ends.push(tokens.len() - 1);
            going.push(Going::new(&mut cache.layers, before..text.len(), device));
        }
        if going.is_empty() {
            return Ok(Vec::new());
        }
        let indices = TensorData::new(tokens.clone(), [1, tokens.len()]);
        let x = self.embed(Tensor::from_data(indices, device));
        let x = x.ok_or_else(|| Error::NotFlat { found: vec![tokens.len()] })?;
        let x = run(self.trunk(), x, &mut Place { texts: going, steps, turns: None, at: 0, device });
        let last = x.select(1, whole(&ends, device));
        let logits = self.head().each(Flow::Sequence(last, None));
        let fail = |why: String| Error::Device { device: "in generation".into(), why };
        let logits = logits.try_into_vec_as::<f32>().map_err(|error| fail(error.to_string()))?;
        Ok(logits.chunks(logits.len() / ends.len()).map(<[f32]>::to_vec).collect())
    }
}

fn whole(numbers: &[usize], device: &Device) -> Tensor<1, Int> {
    let count = numbers.len();
    let numbers: Vec<i32> = numbers.iter().map(|n| i32::try_from(*n).unwrap_or(i32::MAX)).collect();
    Tensor::from_data(TensorData::new(numbers, [count]), device)
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

/// New steps of a text.
struct Going<'a> {
    /// Of each layer of attention.
    layers: &'a mut [Kept],
    count: usize,
    later: Tensor<2, Bool>,
}

impl<'a> Going<'a> {
    fn new(layers: &'a mut [Kept], steps: Range<usize>, device: &Device) -> Self {
        let seen = layers.first().map_or(1, |kept| kept.seen(steps.end));
        // Also hides what lies beyond the last step.
        let offset = i64::try_from(steps.start).unwrap_or(i64::MAX);
        let later = Tensor::tril_mask([steps.len(), seen], offset, device);
        Self { layers, count: steps.len(), later }
    }
}

/// New steps of a text in one layer of attention.
pub(crate) struct Onward<'a> {
    pub kept: &'a mut Kept,
    /// How many.
    pub count: usize,
    /// `[count, seen]` is true where a step may not look.
    pub later: Tensor<2, Bool>,
}

/// A walk through the layers.
struct Place<'a> {
    texts: Vec<Going<'a>>,
    /// Of each token in its text.
    steps: Vec<usize>,
    /// Of the layers so far: they are mostly the same in all.
    turns: Option<Turns>,
    /// The next attention layer.
    at: usize,
    device: &'a Device,
}

impl Place<'_> {
    fn attend(&mut self, attention: &Attention, x: Tensor<3>) -> Tensor<3> {
        if !self.turns.as_ref().is_some_and(|turns| attention.turns_by(turns)) {
            self.turns = attention.turns(&self.steps, self.device);
        }
        let texts = self.texts.iter_mut().map(|text| Onward {
            kept: &mut text.layers[self.at],
            count: text.count,
            later: text.later.clone(),
        });
        let mut texts: Vec<Onward<'_>> = texts.collect();
        self.at += 1;
        attention.forward_after(x, &mut texts, self.turns.as_ref())
    }
}

fn run(layers: &[Layer], x: Tensor<3>, place: &mut Place<'_>) -> Tensor<3> {
    layers.iter().fold(x, |x, layer| match layer {
        Layer::Attention(attention) => place.attend(attention, x),
        Layer::Position(position) => position.forward_at(x, whole(&place.steps, place.device)),
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

#[cfg(test)]
mod tests {
    use cupola_spec::{Block, Head, TableStem};

    use super::*;
    use crate::{Architecture, Average, Drawn, Input, Source};

    const LENGTH: usize = 12;
    const VOCABULARY: usize = 9;

    fn network(trunk: Vec<cupola_spec::Layer>) -> Network {
        let block = Block::Text { length: LENGTH, vocabulary: VOCABULARY };
        let source = Source {
            name: String::new(),
            block,
            widths: vec![8],
            stem: TableStem::Concat,
            encoder: Vec::new(),
        };
        let architecture = Architecture {
            family: "layers".into(),
            sources: vec![source],
            trunk,
            head: Head::Steps,
            average: Average::Output,
            level: None,
            lora: None,
            parts: Vec::new(),
            stacked: false,
            output: VOCABULARY,
            names: std::collections::BTreeMap::new(),
        };
        assert!(architecture.caches());
        Network::build(&architecture, &mut Drawn { seed: 1 }, &Device::flex()).unwrap()
    }

    #[test]
    fn texts_go_on_together_through_heads_of_several_widths_and_through_none() {
        let device = Device::flex();
        let attention = |heads| cupola_spec::Layer::Attention {
            heads,
            kv_heads: None,
            causal: true,
            rope: true,
            rope_base: None,
            rope_scaling: None,
            bias: true,
            dropout: 0.0,
        };
        let (norm, position) = (cupola_spec::Layer::LayerNorm { eps: None }, cupola_spec::Layer::Position {});
        for trunk in [vec![position, attention(2), attention(4), norm.clone()], vec![norm]] {
            let network = network(trunk);
            let texts: Vec<Vec<i32>> =
                (0..3).map(|row| (0..12).map(|i| (i * 5 + row) % 8 + 1).collect()).collect();
            let input = Input::new(3, Vec::new(), texts.concat(), &device);
            let whole = network.forward(&input).try_into_vec_as::<f32>().unwrap();
            let mut caches = [0, 1, 2].map(|_| network.cache(&device));
            // Each at a place of its own, in steps of its own.
            for step in 1..=LENGTH {
                let ends = [step, step.div_ceil(2), step.next_multiple_of(3)];
                let each = texts.iter().zip(ends).zip(&mut caches);
                let mut each: Vec<Next<'_>> =
                    each.map(|((text, end), cache)| Next { text: &text[..end], cache }).collect();
                let logits = network.next(&mut each, &device).unwrap();
                for (row, (end, logits)) in ends.into_iter().zip(logits).enumerate() {
                    let expected = &whole[(row * LENGTH + end - 1) * VOCABULARY..][..VOCABULARY];
                    for (a, b) in logits.iter().zip(expected) {
                        assert!((a - b).abs() < 1e-5, "text {row} up to {end}: {a}, the whole text {b}");
                    }
                }
            }
        }
    }
}
