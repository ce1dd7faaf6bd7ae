//! Engines: implementations of a model's forward pass, and the choice between them.

mod burn;
mod candle;
mod decoder_cache;
mod ensemble;
mod gradients;
mod select;
mod trees;

use cupola_nn::{Network, catch_panic};
use cupola_prep::Examples;

use crate::error::Error;

pub use decoder_cache::DecoderCache;
pub use ensemble::{EnsembleConfig, EnsembleMember, blended_values, logits_of_blend};
pub(crate) use ensemble::{EnsembleEngine, LoadedMember};
pub(crate) use gradients::{cpu_network, differentiable};
pub(crate) use select::build;
pub use select::{EngineChoice, EngineReport};
pub(crate) use trees::TreesEngine;

/// Forward pass of a model on one device.
pub trait Engine: Send {
    /// Library and device, as reported to users.
    fn name(&self) -> String;

    /// Capabilities beyond a forward pass.
    fn capabilities(&self) -> EngineCapabilities;

    /// Logits `[rows, output]` in row-major order.
    ///
    /// # Errors
    /// A failure of the device; the engine stays usable.
    fn forward(&mut self, examples: Examples) -> Result<Vec<f32>, Error>;

    /// The network that this engine holds on the CPU, which explanations may share; `None` for any other engine.
    fn cpu_network(&self) -> Option<Network> {
        None
    }

    /// Logits of each member of an ensemble, on the scale of its own targets; `None` for a single model.
    ///
    /// # Errors
    /// A failure of the device; the engine stays usable.
    fn member_logits(&mut self, examples: &Examples) -> Result<Option<Vec<Vec<f32>>>, Error> {
        let _ = examples;
        Ok(None)
    }

    /// Inputs of the last layer `[rows, width]`, of a series or a text their mean; `None` for an engine that does not give them.
    ///
    /// # Errors
    /// A failure of the device; the engine stays usable.
    fn representations(&mut self, examples: &Examples) -> Result<Option<Vec<f32>>, Error> {
        let _ = examples;
        Ok(None)
    }

    /// Text generation with a KV cache; `None` for networks without one.
    fn decoder(&mut self) -> Option<&mut dyn Decoder> {
        None
    }
}

/// Capabilities of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EngineCapabilities {
    /// `true` if any thread may call the engine; `false` on GPUs, whose streams and memory pools belong to a thread.
    pub any_thread: bool,
    /// `true` if [`Engine::decoder`] gives a decoder.
    pub decodes: bool,
}

/// Text generation with a KV cache for each sequence.
pub trait Decoder {
    /// Logits `[vocabulary]` of the next token of each sequence, in one batched forward pass; `[new tokens, vocabulary]`
    /// for a request of [`every_token`](DecodeRequest::every_token).
    ///
    /// Tokens that a cache holds are not computed again; each cache is extended by the others.
    ///
    /// # Errors
    /// A sequence that is empty or longer than the model allows; a failure of the device. The caches are empty then.
    fn decode(&mut self, requests: &mut [DecodeRequest<'_>]) -> Result<Vec<Vec<f32>>, Error>;

    /// Bytes of the KV cache of a sequence of `tokens` tokens.
    fn cache_bytes(&self, tokens: usize) -> usize;
}

/// A sequence whose next token is to be predicted.
#[derive(Debug)]
pub struct DecodeRequest<'a> {
    /// All its tokens.
    pub tokens: &'a [i32],
    /// Keys and values of a sequence that began alike, or an empty cache.
    pub cache: &'a mut DecoderCache,
    /// `true` for the logits after each token that the cache does not hold, instead of those after the last one.
    pub every_token: bool,
}

impl<'a> DecodeRequest<'a> {
    /// Request for the logits after the last token.
    pub fn next_token(tokens: &'a [i32], cache: &'a mut DecoderCache) -> Self {
        Self { tokens, cache, every_token: false }
    }
}

/// Runs an engine and turns a panic of a driver or kernel into an error, so that it ends one batch, not the process.
pub(crate) fn isolated<T>(
    engine: &mut dyn Engine,
    run: impl FnOnce(&mut dyn Engine) -> Result<T, Error>,
) -> Result<T, Error> {
    let name = engine.name();
    catch_panic(|| run(engine))
        .unwrap_or_else(|panic| Err(Error::Panicked { engine: name, why: panic.into() }))
}

#[cfg(test)]
mod tests;
