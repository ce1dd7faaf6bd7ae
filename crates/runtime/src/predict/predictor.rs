//! A package with its engine: examples in, logits and predictions out.

mod embedder;

use std::borrow::Cow;
use std::sync::Arc;

use cupola_budget::Budget;
use cupola_nn::OpenDevice;
use cupola_prep::{Examples, Frame, Plan, Predictions};
use cupola_registry::Package;

pub use self::embedder::{Embedder, EmbeddingOrigin};
use super::explain::{ExplainOptions, ExplainTime, RowExplanations};
use super::load;
use super::package::LoadedPackage;
use super::tensors::PredictInput;
use crate::engines::{
    DecodeRequest, DecoderCache, Engine, EngineCapabilities, EngineChoice, EnsembleConfig, isolated,
};
use crate::error::Error;

/// Tokens of a language model's texts that are computed at once.
const BATCH_TOKENS: usize = 16_384;
/// Rows whose logits are computed at once before they are explained.
const EXPLAINED_AT_ONCE: usize = 256;

/// A package in memory with its engine.
pub struct Predictor {
    /// Everything but the engine.
    pub package: Arc<LoadedPackage>,
    engine: Box<dyn Engine>,
}

impl Predictor {
    /// Reads a package, verifies its digests and builds its engine.
    ///
    /// # Errors
    /// Damaged files, files that do not belong together, a failure of the device.
    pub fn load(package: &Package, choice: EngineChoice, device: &OpenDevice) -> Result<Self, Error> {
        let plan = load::plan(package)?;
        let (engine, report, explainer) = load::engine(package, &plan, choice, device)?;
        let mut loaded = LoadedPackage::new(plan, report)?;
        loaded.example = load::example(package)?;
        loaded.explainer = Arc::new(explainer);
        Ok(Self { package: Arc::new(loaded), engine })
    }

    /// Predictor of an ensemble that is not published: its plan, its members and its `model.safetensors`.
    ///
    /// # Errors
    /// Parts that do not belong together, a failure of the device.
    pub fn of_ensemble(
        plan: Plan,
        members: &EnsembleConfig,
        weights: &[u8],
        choice: EngineChoice,
        device: &OpenDevice,
    ) -> Result<Self, Error> {
        let (engine, report, explainer) =
            load::ensemble_engine("ensemble", members, weights, &plan, choice, device)?;
        let mut loaded = LoadedPackage::new(plan, report)?;
        loaded.explainer = Arc::new(explainer);
        Ok(Self { package: Arc::new(loaded), engine })
    }

    /// Predictor of an engine that was built already.
    fn of_engine(package: Arc<LoadedPackage>, engine: Box<dyn Engine>) -> Self {
        Self { package, engine }
    }

    /// Logits of each member of an ensemble, on the scale of its own targets; `None` for a single model.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn member_logits(&mut self, examples: &Examples) -> Result<Option<Vec<Vec<f32>>>, Error> {
        isolated(self.engine.as_mut(), |engine| engine.member_logits(examples))
    }

    /// Capabilities of the engine.
    pub fn capabilities(&self) -> EngineCapabilities {
        self.engine.capabilities()
    }

    /// Bytes of the KV cache of a text of `tokens` tokens; 0 for an engine without one.
    pub fn kv_cache_bytes(&mut self, tokens: usize) -> usize {
        self.engine.decoder().map_or(0, |decoder| decoder.cache_bytes(tokens))
    }

    /// Predictions for examples that the package's plan has made.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn predict(&mut self, examples: Examples) -> Result<Vec<Predictions>, Error> {
        let inputs = self.package.inputs_to_compare(&examples);
        let logits = self.target_logits(examples)?;
        self.package.predictions(&logits, &inputs)
    }

    /// Logits `[rows, width]` that [`LoadedPackage::predictions`] takes: of a language model those after each row's last
    /// token.
    ///
    /// # Errors
    /// A failure of the device; the predictor stays usable.
    pub fn target_logits(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        if examples.rows == 0 {
            return Ok(Vec::new());
        }
        let ends = self.package.text_ends(&examples);
        if ends.is_some() && self.capabilities().decodes {
            return self.decode_rows(&examples);
        }
        let logits = self.logits(examples)?;
        match self.package.logits_at(&logits, ends.as_deref()) {
            Cow::Borrowed(_) => Ok(logits),
            Cow::Owned(last) => Ok(last),
        }
    }

    /// Explanations of the predictions for rows, any number of them, per row by the names of the targets.
    ///
    /// # Errors
    /// The errors of [`LoadedPackage::explain`].
    pub fn explain(&mut self, rows: &Frame, options: &ExplainOptions) -> Result<Vec<RowExplanations>, Error> {
        let package = Arc::clone(&self.package);
        package.check_explain(options)?;
        let examples = package.examples_of(rows)?;
        let all: Vec<usize> = (0..examples.rows).collect();
        let mut logits = Vec::with_capacity(examples.rows * package.plan.width());
        for part in all.chunks(EXPLAINED_AT_ONCE) {
            logits.extend(self.target_logits(examples.gather(part))?);
        }
        let (budget, input) = (Budget::unlimited(), PredictInput::Frame(rows.clone()));
        let time = ExplainTime::new(&budget, options.time);
        let mut forward = |examples| self.target_logits(examples);
        package.explain_examples((&input, &examples, &logits), options, &time, &mut forward)
    }

    /// Inputs of the last layer `[rows, width]`, of a series or a text their mean; `None` for a model without layers, and on engines
    /// other than candle.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn representations(&mut self, examples: &Examples) -> Result<Option<Vec<f32>>, Error> {
        isolated(self.engine.as_mut(), |engine| engine.representations(examples))
    }

    /// Raw logits of the engine; of a language model for every token.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn logits(&mut self, examples: Examples) -> Result<Vec<f32>, Error> {
        isolated(self.engine.as_mut(), |engine| engine.forward(examples))
    }

    /// Logits of each request's tokens, as [`Decoder::decode`](crate::Decoder::decode) returns them. A sequence must be no
    /// longer than the model's context.
    ///
    /// An engine without a decoder computes all tokens again.
    ///
    /// # Errors
    /// A failure of the device.
    pub fn decode(&mut self, requests: &mut [DecodeRequest<'_>]) -> Result<Vec<Vec<f32>>, Error> {
        let decoded = isolated(self.engine.as_mut(), |engine| {
            engine.decoder().map(|decoder| decoder.decode(requests)).transpose()
        })?;
        if let Some(logits) = decoded {
            return Ok(logits);
        }
        let mut examples = Examples::zeros(self.package.plan.layout(), requests.len());
        let length = examples.indices.len() / requests.len().max(1);
        for (row, request) in examples.indices.chunks_mut(length.max(1)).zip(&*requests) {
            row.iter_mut().zip(request.tokens).for_each(|(index, token)| *index = *token);
        }
        let logits = self.logits(examples)?;
        let width = self.package.plan.width();
        let rows = logits.chunks((logits.len() / requests.len().max(1)).max(1)).zip(&*requests);
        let each = rows.map(|(row, request)| {
            let end = request.tokens.len() * width;
            let begin = if request.every_token { 0 } else { end.saturating_sub(width) };
            row.get(begin..end).unwrap_or_default().to_vec()
        });
        Ok(each.collect())
    }

    /// Logits after each row's text, and of no token before. A few rows at a time, so that few KV caches are held.
    fn decode_rows(&mut self, examples: &Examples) -> Result<Vec<f32>, Error> {
        let length = (examples.indices.len() / examples.rows).max(1);
        let lengths: Vec<usize> = examples.text_lengths().collect();
        let rows = (BATCH_TOKENS / length).max(1);
        let mut out = Vec::with_capacity(examples.rows * self.package.plan.width());
        for (texts, lengths) in examples.indices.chunks(rows * length).zip(lengths.chunks(rows)) {
            let mut caches: Vec<DecoderCache> = lengths.iter().map(|_| DecoderCache::default()).collect();
            let texts = texts.chunks(length).zip(lengths).zip(&mut caches);
            let mut requests: Vec<DecodeRequest<'_>> = texts
                .map(|((text, length), cache)| DecodeRequest::next_token(&text[..(*length).max(1)], cache))
                .collect();
            out.extend(self.decode(&mut requests)?.concat());
        }
        Ok(out)
    }
}
