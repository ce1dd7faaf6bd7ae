//! Texts that go on, several at once: each new token goes through the layers once, after the keys and values
//! that are kept of its text (Yu et al. 2022, "Orca", section 4.2).

use candle_core::{Device, Error as CandleError, Tensor};

use cupola_kernels::{LayerKv, NewTokens};

use super::CandleEngine;
use super::op::{Flow, Op};
use super::tensors;
use crate::engine::Turn;
use crate::error::Error;

/// What is kept of one text: of each layer of attention, in the order of the forward pass.
#[derive(Debug, Default)]
pub struct KeptText {
    layers: Vec<LayerKv>,
    tokens: Vec<i32>,
}

impl KeptText {
    /// Tokens whose keys and values are kept.
    pub fn tokens(&self) -> usize {
        self.tokens.len()
    }

    /// Bytes of its keys and values.
    pub fn bytes(&self) -> usize {
        self.layers.iter().map(LayerKv::bytes).sum()
    }

    /// Tokens that `text` begins with as well.
    pub fn common(&self, text: &[i32]) -> usize {
        self.tokens.iter().zip(text).take_while(|(kept, now)| kept == now).count()
    }

    /// A copy of its first tokens.
    pub fn beginning(&self, tokens: usize) -> Self {
        let layers = self.layers.iter().map(|past| past.prefix(tokens, self.tokens.len())).collect();
        Self { layers, tokens: self.tokens[..tokens].to_vec() }
    }

    /// Keeps what `text` begins with, but for its last token, which has to go through again.
    fn keep(&mut self, text: &[i32], layers: usize) {
        let same = self.common(text).min(text.len() - 1);
        let before = self.tokens.len().max(1);
        self.layers.resize_with(layers, LayerKv::default);
        self.layers.iter_mut().for_each(|past| past.truncate(same, before));
        self.tokens.truncate(same);
    }
}

/// A walk through the layers.
struct Place<'a> {
    texts: &'a mut [(KeptText, usize)],
    /// The next layer of attention.
    at: usize,
}

impl CandleEngine {
    /// Logits `[output]` of the token after each text; `None` for a network that keeps nothing.
    pub(super) fn go_on(&self, turns: &mut [Turn<'_>]) -> Option<Result<Vec<Vec<f32>>, Error>> {
        self.length.map(|length| {
            if turns.is_empty() {
                return Ok(Vec::new());
            }
            if let Some(turn) = turns.iter().find(|turn| turn.text.is_empty() || turn.text.len() > length) {
                return Err(cupola_nn::Error::TextLength { found: turn.text.len(), most: length }.into());
            }
            self.next_tokens(turns)
        })
    }

    fn next_tokens(&self, turns: &mut [Turn<'_>]) -> Result<Vec<Vec<f32>>, Error> {
        let mut texts = Vec::with_capacity(turns.len());
        let mut tokens = Vec::new();
        for turn in &mut *turns {
            // Out while it is written: a failure leaves nothing behind.
            let mut kept = turn.kept.take_candle().unwrap_or_default();
            kept.keep(turn.text, self.attentions.len());
            let new = &turn.text[kept.tokens.len()..];
            tokens.extend(new.iter().map(|token| u32::try_from(*token).unwrap_or_default()));
            texts.push((kept, new.len()));
        }
        let logits = self.pooled(tokens.len(), || self.last_logits(tokens, &mut texts))?;
        for (turn, (mut kept, _)) in turns.iter_mut().zip(texts) {
            kept.tokens.extend_from_slice(&turn.text[kept.tokens.len()..]);
            turn.kept.put_candle(kept);
        }
        Ok(logits)
    }

    /// Logits `[output]` after the last of the new tokens of each text, which come one after another.
    fn last_logits(&self, tokens: Vec<u32>, texts: &mut [(KeptText, usize)]) -> Result<Vec<Vec<f32>>, Error> {
        let count = tokens.len();
        let table = self.sources.first().and_then(|source| source.embeddings.first());
        let table = table.ok_or(cupola_nn::Error::NotFlat { found: vec![count] })?;
        let tokens = Tensor::from_vec(tokens, count, &Device::Cpu)?;
        let x = table.index_select(&tokens, 0)?.unsqueeze(0)?;
        let x = run(&self.trunk, x, &mut Place { texts: &mut *texts, at: 0 })?;
        let mut end = 0;
        let ends = texts.iter().map(|(_, new)| {
            end += new;
            u32::try_from(end - 1).unwrap_or_default()
        });
        let ends = Tensor::from_vec(ends.collect::<Vec<u32>>(), texts.len(), &Device::Cpu)?;
        let last = Flow::plain(x.squeeze(0)?.index_select(&ends, 0)?);
        Ok(self.head.forward(last, self.output)?.to_vec2()?)
    }
}

/// `[1, tokens, width]` through the layers.
fn run(ops: &[Op], x: Tensor, place: &mut Place<'_>) -> Result<Tensor, CandleError> {
    ops.iter().try_fold(x, |x, op| match op {
        Op::Attention(attention) => {
            let at = place.at;
            place.at += 1;
            let texts = place.texts.iter_mut();
            let mut texts: Vec<NewTokens<'_>> =
                texts.map(|(kept, count)| NewTokens { count: *count, kv: &mut kept.layers[at] }).collect();
            attention.go_on(&x, &mut texts)
        }
        Op::Position(position) => {
            let places = place.texts.iter().flat_map(|(kept, count)| kept.tokens()..kept.tokens() + count);
            let places: Vec<u32> = places.map(|at| u32::try_from(at).unwrap_or_default()).collect();
            let places = Tensor::from_slice(&places, places.len(), &Device::Cpu)?;
            tensors::add(&x, &position.index_select(&places, 0)?.unsqueeze(0)?)
        }
        Op::Residual(layers, shortcut) => {
            let short = run(shortcut, x.clone(), place)?;
            tensors::add(&run(layers, x, place)?, &short)
        }
        op => Ok(op.forward(Flow::plain(x))?.x),
    })
}

/// What each layer of attention among these keeps of a token, in numbers.
pub fn attentions(ops: &[Op]) -> Vec<usize> {
    let each = ops.iter().map(|op| match op {
        Op::Attention(attention) => vec![attention.kept_width()],
        Op::Residual(layers, shortcut) => [attentions(layers), attentions(shortcut)].concat(),
        _ => Vec::new(),
    });
    each.flatten().collect()
}
