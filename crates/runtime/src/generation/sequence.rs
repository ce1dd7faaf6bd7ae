//! A text that is being generated, token by token.

use cupola_prep::{FittedInput, FittedTarget, FittedTokenizer};

use super::chat::{self, Prompt};
use super::detokenizer::Detokenizer;
use super::grammar::GrammarState;
use super::logits;
use super::params::GenerationParams;
use super::pieces::{FinishReason, TextPiece, TokenLogprobs};
use super::sampling::Sampling;
use crate::engines::{DecodeRequest, DecoderCache};
use crate::error::Error;
use crate::predict::{LoadedPackage, Predictor};

/// Prompt tokens that are computed in one pass, so that sequences that wait for their next token wait no longer.
pub(crate) const PREFILL_CHUNK: usize = 128;

/// A text that is being generated, with its KV cache.
///
/// Any number of sequences may share a predictor, and are decoded together.
#[derive(Debug)]
pub struct Sequence {
    tokenizer: FittedTokenizer,
    /// Longest text that the model sees, in tokens.
    context: usize,
    text: Detokenizer,
    /// Index of the first token that the model still sees.
    first: usize,
    /// Number of generated tokens.
    step: u64,
    params: GenerationParams,
    cache: DecoderCache,
    /// Tokens that were taken from the prefix cache.
    cached_tokens: usize,
    /// Tokens that were computed in whole prefill chunks, from the first on.
    whole_chunks: usize,
    /// Tokens that end a text.
    end_tokens: Vec<u32>,
    /// Text that may be the beginning of a stop string.
    held: String,
    grammar: Option<GrammarState>,
    /// Number of prompt tokens.
    pub prompt_tokens: usize,
}

impl LoadedPackage {
    /// Begins a text after a prompt.
    ///
    /// # Errors
    /// [`Error::NotALanguageModel`] for any other package, [`Error::Tokens`] for a prompt that can't be tokenised,
    /// [`Error::Chat`] for messages that the model's template rejects, [`Error::Grammar`] for an invalid schema.
    pub fn begin_sequence(&self, prompt: &Prompt, params: GenerationParams) -> Result<Sequence, Error> {
        let (FittedTarget::NextToken { ends, .. }, [FittedInput::Text { tokenizer, length, .. }]) =
            (self.plan.targets.first(), self.plan.inputs.as_slice())
        else {
            return Err(Error::NotALanguageModel { target: self.plan.targets.first().name().to_owned() });
        };
        let mut text = Detokenizer::new(self.prompt_tokens(prompt, tokenizer)?);
        let prompt_tokens = text.tokens.len();
        let begin = |grammar| self.vocabulary.begin(tokenizer, grammar);
        let grammar = params.grammar.as_ref().map(begin).transpose()?;
        // Later pieces are decoded as they read after the prompt.
        text.next_piece(tokenizer, true)?;
        Ok(Sequence {
            tokenizer: tokenizer.clone(),
            context: *length,
            first: prompt_tokens.saturating_sub(*length),
            text,
            step: 0,
            params,
            cache: DecoderCache::default(),
            cached_tokens: 0,
            whole_chunks: 0,
            end_tokens: ends.clone(),
            held: String::new(),
            grammar,
            prompt_tokens,
        })
    }

    fn prompt_tokens(&self, prompt: &Prompt, tokenizer: &FittedTokenizer) -> Result<Vec<u32>, Error> {
        let failed = |error: cupola_prep::Error| Error::Tokens { why: error.to_string() };
        let tokens = match prompt {
            Prompt::Text(text) => tokenizer.encode(text),
            Prompt::Messages(messages) => match &self.chat {
                Some(template) => tokenizer.encode_bare(&template.render(messages)?),
                None => tokenizer.encode(&chat::without_template(messages)),
            },
        };
        let tokens = tokens.map_err(failed)?;
        // An empty prompt becomes the line break that ends each text of the training rows.
        if tokens.is_empty() { tokenizer.encode("\n").map_err(failed) } else { Ok(tokens) }
    }
}

impl Sequence {
    /// Number of generated tokens.
    pub fn generated_tokens(&self) -> u64 {
        self.step
    }

    /// Largest number of tokens, prompt included, that the KV cache may come to hold.
    pub fn max_cached_tokens(&self) -> usize {
        let generated = usize::try_from(self.params.max_tokens).unwrap_or(usize::MAX);
        self.prompt_tokens.saturating_add(generated).min(self.context)
    }

    /// Tokens that the model sees.
    pub(super) fn visible_tokens(&self) -> Vec<i32> {
        self.text.tokens[self.first..].iter().map(|token| i32::try_from(*token).unwrap_or_default()).collect()
    }

    /// Starts from the keys and values of a text that begins alike.
    pub(super) fn resume_from(&mut self, cache: DecoderCache) {
        (self.cached_tokens, self.whole_chunks) = (cache.tokens(), cache.tokens());
        self.cache = cache;
    }

    pub(super) fn owner(&self) -> &str {
        &self.params.owner
    }

    /// Takes out the keys and values that other texts may reuse: those of whole prefill chunks.
    pub(super) fn take_reusable_cache(&mut self) -> Option<DecoderCache> {
        let cache = std::mem::take(&mut self.cache);
        if self.whole_chunks == 0 || cache.tokens() < self.whole_chunks {
            return None;
        }
        Some(if cache.tokens() == self.whole_chunks { cache } else { cache.prefix(self.whole_chunks) })
    }

    /// Decodes one token for each sequence in one batched pass.
    ///
    /// A sequence whose prompt is not yet computed gives `None`. If a text outgrows the model's context, the model goes
    /// on from the last half of it.
    ///
    /// # Errors
    /// A failure of the device ends all sequences; an error inside the list ends one.
    pub fn decode(
        sequences: &mut [&mut Self],
        predictor: &mut Predictor,
    ) -> Result<Vec<Result<Option<TextPiece>, Error>>, Error> {
        let most = if predictor.capabilities().decodes { PREFILL_CHUNK } else { usize::MAX };
        let windows: Vec<Vec<i32>> =
            sequences.iter_mut().map(|sequence| sequence.next_window(most)).collect();
        let requests = sequences.iter_mut().zip(&windows);
        let mut requests: Vec<DecodeRequest<'_>> = requests
            .map(|(sequence, window)| DecodeRequest { tokens: window, cache: &mut sequence.cache })
            .collect();
        let logits = predictor.decode(&mut requests)?;
        let results = sequences.iter_mut().zip(&windows).zip(logits);
        Ok(results.map(|((sequence, window), logits)| sequence.advance(window.len(), &logits)).collect())
    }

    /// Tokens for the next pass: at most `most` beyond those that are cached.
    fn next_window(&mut self, most: usize) -> Vec<i32> {
        if self.text.tokens.len() - self.first > self.context {
            self.first = self.text.tokens.len() - self.context.div_ceil(2);
            (self.cache, self.whole_chunks) = (DecoderCache::default(), 0);
        }
        let (mut tokens, cached) = (self.visible_tokens(), self.cache.tokens());
        tokens.truncate(cached.saturating_add(most));
        if cached == self.whole_chunks && tokens.len() - cached == PREFILL_CHUNK {
            self.whole_chunks = tokens.len();
        }
        tokens
    }

    /// Appends the token that the logits after `seen` tokens give.
    fn advance(&mut self, seen: usize, logits: &[f32]) -> Result<Option<TextPiece>, Error> {
        if self.first + seen < self.text.tokens.len() {
            return Ok(None);
        }
        let (mut ended, mut logprobs) = (false, None);
        if self.step < self.params.max_tokens {
            let chosen = self.choose(logits)?;
            self.step += u64::from(chosen.is_some());
            match chosen.filter(|token| !self.end_tokens.contains(token)) {
                None => ended = true,
                Some(token) => {
                    logprobs =
                        self.params.logprobs.map(|top| self.logprobs(logits, token, top)).transpose()?;
                    self.text.tokens.push(token);
                    let accepted = self.grammar.as_mut().map(|grammar| grammar.accept(token));
                    ended = accepted.transpose()?.unwrap_or(false);
                }
            }
        }
        let last = ended || self.step >= self.params.max_tokens;
        let piece = self.text.next_piece(&self.tokenizer, last)?;
        self.held.push_str(&piece);
        let reason = if ended { FinishReason::Stop } else { FinishReason::Length };
        Ok(Some(TextPiece { logprobs, ..self.release(last.then_some(reason)) }))
    }

    /// Next token; `None` if the grammar allows no further one.
    fn choose(&mut self, logits: &[f32]) -> Result<Option<u32>, Error> {
        let processed = self.params.logits.apply(logits, &self.text.tokens, self.prompt_tokens);
        let mut logits = processed.as_deref().unwrap_or(logits);
        let masked;
        if let Some(grammar) = &mut self.grammar {
            masked = grammar.mask(logits, &self.end_tokens)?;
            match &masked {
                Some(masked) => logits = masked,
                None => return Ok(None),
            }
        }
        Ok(u32::try_from(self.params.sampling.choose(logits, self.step)).ok())
    }

    fn logprobs(&self, logits: &[f32], token: u32, top: usize) -> Result<TokenLogprobs, Error> {
        let text = |token: u32| {
            self.tokenizer.decode(&[token]).map_err(|error| Error::Tokens { why: error.to_string() })
        };
        let (logprob, likeliest) = logits::logprobs(logits, token, top);
        let likeliest = likeliest.into_iter().map(|(token, logprob)| Ok((text(token)?, logprob)));
        Ok(TokenLogprobs { token: text(token)?, logprob, top: likeliest.collect::<Result<_, Error>>()? })
    }

    /// Releases the held text up to a stop string, or up to where one may be beginning.
    fn release(&mut self, finish: Option<FinishReason>) -> TextPiece {
        let stop = self.params.stop.iter().filter(|stop| !stop.is_empty());
        if let Some(at) = stop.clone().filter_map(|stop| self.held.find(stop.as_str())).min() {
            self.held.truncate(at);
            return self.released(self.held.len(), Some(FinishReason::Stop));
        }
        if finish.is_some() {
            return self.released(self.held.len(), finish);
        }
        let may_stop = |from: usize| {
            self.held.is_char_boundary(from) && stop.clone().any(|stop| stop.starts_with(&self.held[from..]))
        };
        let end = (0..self.held.len()).find(|from| may_stop(*from)).unwrap_or(self.held.len());
        self.released(end, None)
    }

    /// Event with the first `bytes` of the held text.
    fn released(&mut self, bytes: usize, finish: Option<FinishReason>) -> TextPiece {
        let rest = self.held.split_off(bytes);
        let text = std::mem::replace(&mut self.held, rest);
        TextPiece { text, finish, cached_tokens: self.cached_tokens, logprobs: None }
    }
}

impl Predictor {
    /// Generates `count` tokens after `prompt`, and passes the text to `on_text` piece by piece, the prompt first.
    ///
    /// # Errors
    /// [`Error::NotALanguageModel`] for any other package; a failure of the device.
    pub fn generate(
        &mut self,
        prompt: &str,
        count: u64,
        sampling: &Sampling,
        on_text: &mut dyn FnMut(&str),
    ) -> Result<String, Error> {
        let params =
            GenerationParams { max_tokens: count, sampling: *sampling, ..GenerationParams::default() };
        let mut sequence = self.package.begin_sequence(&Prompt::Text(prompt.to_owned()), params)?;
        let mut text = sequence.text.text(&sequence.tokenizer)?;
        on_text(&text);
        if count == 0 {
            return Ok(text);
        }
        loop {
            let mut events = Sequence::decode(&mut [&mut sequence], self)?;
            let Some(event) = events.pop().transpose()?.flatten() else { continue };
            on_text(&event.text);
            text.push_str(&event.text);
            if event.finish.is_some() {
                return Ok(text);
            }
        }
    }
}
