//! Decoding of several texts at once: each new token goes through the layers once, after the keys and values that are
//! stored of its text (Yu et al. 2022, "Orca", section 4.2).

use candle_core::{Device, Error as CandleError, Tensor};
use cupola_kernels::{LayerKv, NewTokens};

use super::CandleEngine;
use super::layers::{LayerOp, MaskedTensor};
use super::source::SourceLayers;
use super::tensors;
use crate::engines::decoder_cache::CacheContents;
use crate::engines::{DecodeRequest, Decoder};
use crate::error::Error;

/// Keys and values of one text, for each attention layer in the order of the forward pass.
#[derive(Debug, Default)]
struct CandleCache {
    layers: Vec<LayerKv>,
    tokens: Vec<i32>,
}

impl CandleCache {
    /// Keeps the common prefix with `tokens` except for the last of them, which has to go through the layers again.
    fn retain_prefix(&mut self, tokens: &[i32], layers: usize) {
        let common = self.common_prefix(tokens).min(tokens.len() - 1);
        let stored = self.tokens.len().max(1);
        self.layers.resize_with(layers, LayerKv::default);
        self.layers.iter_mut().for_each(|kv| kv.truncate(common, stored));
        self.tokens.truncate(common);
    }
}

impl CacheContents for CandleCache {
    fn tokens(&self) -> usize {
        self.tokens.len()
    }

    fn common_prefix(&self, tokens: &[i32]) -> usize {
        self.tokens.iter().zip(tokens).take_while(|(stored, token)| stored == token).count()
    }

    fn prefix(&self, tokens: usize) -> Box<dyn CacheContents> {
        let layers = self.layers.iter().map(|kv| kv.prefix(tokens, self.tokens.len())).collect();
        Box::new(Self { layers, tokens: self.tokens[..tokens].to_vec() })
    }

    fn bytes(&self) -> usize {
        self.layers.iter().map(LayerKv::bytes).sum()
    }
}

/// A text in a batch: its cache and the number of its new tokens.
struct BatchedText {
    cache: Box<CandleCache>,
    new: usize,
    /// Number of new tokens, counted from the last one, after which logits are computed.
    logits: usize,
}

/// State of a pass through the layers.
struct LayerPass<'a> {
    texts: &'a mut [BatchedText],
    /// Index of the next attention layer.
    attention: usize,
}

impl Decoder for CandleEngine {
    fn decode(&mut self, requests: &mut [DecodeRequest<'_>]) -> Result<Vec<Vec<f32>>, Error> {
        if requests.is_empty() {
            return Ok(Vec::new());
        }
        let most = self.max_tokens.unwrap_or_default();
        let fits = |request: &&DecodeRequest<'_>| (1..=most).contains(&request.tokens.len());
        if let Some(request) = requests.iter().find(|request| !fits(request)) {
            return Err(cupola_nn::Error::TextLength { found: request.tokens.len(), most }.into());
        }
        let mut texts = Vec::with_capacity(requests.len());
        let mut tokens = Vec::new();
        for request in &mut *requests {
            // Taken out while it is written, so that a failure leaves an empty cache.
            let mut cache = request.cache.take::<CandleCache>().unwrap_or_default();
            cache.retain_prefix(request.tokens, self.kv_widths.len());
            let new = &request.tokens[cache.tokens.len()..];
            tokens.extend(new.iter().map(|token| u32::try_from(*token).unwrap_or_default()));
            let logits = if request.every_token { new.len() } else { 1 };
            texts.push(BatchedText { cache, new: new.len(), logits });
        }
        let logits = self.pooled(tokens.len(), || self.new_logits(tokens, &mut texts))?;
        for (request, BatchedText { mut cache, .. }) in requests.iter_mut().zip(texts) {
            cache.tokens.extend_from_slice(&request.tokens[cache.tokens.len()..]);
            request.cache.put(cache);
        }
        Ok(logits)
    }

    fn cache_bytes(&self, tokens: usize) -> usize {
        // With the quarter that is reserved for growth.
        tokens * self.kv_widths.iter().sum::<usize>() * size_of::<f32>() / 4 * 5
    }
}

impl CandleEngine {
    /// Logits `[logits, output]` after the last new tokens of each text; `tokens` are the new ones of all texts in order.
    fn new_logits(&self, tokens: Vec<u32>, texts: &mut [BatchedText]) -> Result<Vec<Vec<f32>>, Error> {
        let count = tokens.len();
        let table = self.sources.first().and_then(SourceLayers::embedding);
        let table = table.ok_or(cupola_nn::Error::NotFlat { found: vec![count] })?;
        let tokens = Tensor::from_vec(tokens, count, &Device::Cpu)?;
        let x = table.index_select(&tokens, 0)?.unsqueeze(0)?;
        let x = run(&self.trunk, x, &mut LayerPass { texts: &mut *texts, attention: 0 })?;
        let mut end = 0;
        let ends = texts.iter().flat_map(|text| {
            end += text.new;
            end - text.logits..end
        });
        let ends: Vec<u32> = ends.map(|at| u32::try_from(at).unwrap_or_default()).collect();
        let ends = Tensor::from_slice(&ends, ends.len(), &Device::Cpu)?;
        let chosen = MaskedTensor::unmasked(x.squeeze(0)?.index_select(&ends, 0)?);
        let mut rows = self.head.forward(chosen, self.output)?.to_vec2::<f32>()?.into_iter();
        let each = texts.iter().map(|text| match text.logits {
            1 => rows.next().unwrap_or_default(),
            count => rows.by_ref().take(count).flatten().collect(),
        });
        Ok(each.collect())
    }
}

/// Runs new tokens `[1, tokens, width]` through the layers.
fn run(layers: &[LayerOp], x: Tensor, pass: &mut LayerPass<'_>) -> Result<Tensor, CandleError> {
    layers.iter().try_fold(x, |x, layer| match layer {
        LayerOp::Attention(attention) => {
            let at = pass.attention;
            pass.attention += 1;
            let texts = pass.texts.iter_mut();
            let mut texts: Vec<NewTokens<'_>> =
                texts.map(|text| NewTokens { count: text.new, kv: &mut text.cache.layers[at] }).collect();
            attention.decode(&x, &mut texts)
        }
        LayerOp::Position(embeddings) => {
            let positions = pass.texts.iter().flat_map(|text| {
                let stored = text.cache.tokens.len();
                stored..stored + text.new
            });
            let positions: Vec<u32> = positions.map(|at| u32::try_from(at).unwrap_or_default()).collect();
            let positions = Tensor::from_slice(&positions, positions.len(), &Device::Cpu)?;
            tensors::add(&x, &embeddings.index_select(&positions, 0)?.unsqueeze(0)?)
        }
        LayerOp::Residual(body, shortcut) => {
            let short = run(shortcut, x.clone(), pass)?;
            tensors::add(&run(body, x, pass)?, &short)
        }
        layer => Ok(layer.forward(MaskedTensor::unmasked(x))?.x),
    })
}

/// Floats that each attention layer stores for a token.
pub(super) fn kv_widths(layers: &[LayerOp]) -> Vec<usize> {
    let widths = layers.iter().map(|layer| match layer {
        LayerOp::Attention(attention) => vec![attention.kv_width()],
        LayerOp::Residual(body, shortcut) => [kv_widths(body), kv_widths(shortcut)].concat(),
        _ => Vec::new(),
    });
    widths.flatten().collect()
}
