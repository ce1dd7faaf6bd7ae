//! A text that is being generated, token by token.

mod session;

use std::ops::ControlFlow;

use cupola_budget::Budget;
use cupola_prep::{FittedInput, FittedTarget, FittedTokenizer};

use super::chat::Prompt;
use super::detokenizer::Detokenizer;
use super::echo::{Echo, token_logprobs};
use super::grammar::{CompiledGrammar, Grammar, GrammarState};
use super::params::GenerationParams;
use super::pieces::{FinishReason, TextPiece};
use crate::engines::{DecodeRequest, DecoderCache};
use crate::error::Error;
use crate::predict::{LoadedPackage, Predictor};

pub use self::session::{ChatAnswer, ChatSession};

/// Prompt tokens that are computed in one pass, so that sequences that wait for their next token wait no longer.
pub(crate) const PREFILL_CHUNK: usize = 128;

/// Largest number of logits that one sequence gets in one pass while its prompt is scored.
const SCORED_LOGITS: usize = 1 << 21;

/// A text that is being generated, with its KV cache.
///
/// Any number of sequences may share a predictor, and are decoded together.
#[derive(Debug)]
pub struct Sequence {
    tokenizer: FittedTokenizer,
    /// Longest text that the model sees, in tokens.
    context: usize,
    /// Logits of a token.
    width: usize,
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
    /// Prompt to begin the text with, until the first piece takes it.
    echo: Option<Echo>,
    /// Characters of the text so far.
    characters: usize,
    /// Text that may be the beginning of a stop string.
    held: String,
    grammar: Option<GrammarState>,
    /// Number of prompt tokens.
    pub prompt_tokens: usize,
}

/// Texts that begin with one prompt.
#[derive(Debug, Clone, Copy)]
pub struct SequenceOptions<'a> {
    /// Number of texts.
    pub count: usize,
    /// Compiled grammar of the parameters; `None` for free text.
    pub grammar: Option<&'a CompiledGrammar>,
    /// Memory and time of the request.
    pub budget: &'a Budget,
}

impl LoadedPackage {
    /// Begins a text after a prompt.
    ///
    /// # Errors
    /// The errors of [`Self::begin_sequences`], and [`Error::Grammar`] for an invalid schema.
    #[allow(clippy::needless_pass_by_value, reason = "the settings belong to one text")]
    pub fn begin_sequence(&self, prompt: &Prompt, params: GenerationParams) -> Result<Sequence, Error> {
        let grammar = params.grammar.as_ref().map(|grammar| self.compile_grammar(grammar)).transpose()?;
        let budget = Budget::unlimited();
        let options = SequenceOptions { count: 1, grammar: grammar.as_ref(), budget: &budget };
        let mut sequences = self.begin_sequences(prompt, &params, &options)?;
        sequences.pop().ok_or_else(|| Error::Tokens { why: "the prompt has no text".to_owned() })
    }

    /// Compiles the grammar of a request, once for all of its texts.
    ///
    /// # Errors
    /// [`Error::NotALanguageModel`] for any other package, [`Error::Grammar`] for an invalid or too large schema.
    pub fn compile_grammar(&self, grammar: &Grammar) -> Result<CompiledGrammar, Error> {
        let (_, tokenizer, _) = self.language_model()?;
        self.vocabulary.compile(tokenizer, grammar)
    }

    /// Begins several texts after a prompt, which is encoded once. The seeds of later texts follow the first one's.
    ///
    /// # Errors
    /// [`Error::NotALanguageModel`] for any other package, [`Error::Tokens`] for a prompt that can't be tokenised,
    /// [`Error::UnknownToken`], [`Error::Chat`] for messages that the model's template rejects,
    /// [`Error::ContextLength`] for a prompt that is too long, [`Error::Exceeded`].
    pub fn begin_sequences(
        &self,
        prompt: &Prompt,
        params: &GenerationParams,
        options: &SequenceOptions<'_>,
    ) -> Result<Vec<Sequence>, Error> {
        let (target, tokenizer, length) = self.language_model()?;
        let FittedTarget::NextToken { ends, generation, .. } = target else { return Ok(Vec::new()) };
        let mut params = params.clone();
        params.apply_defaults(generation);
        let encoded = self.encode_prompt(prompt, tokenizer, &mut params, options.budget)?;
        let echo = params.echo.then(|| Echo::new(&encoded, tokenizer, params.logprobs.is_some()));
        let echo = echo.transpose()?;
        let characters = echo.as_ref().map_or(0, |echo| echo.text.chars().count());
        let mut text = Detokenizer::new(encoded.tokens);
        let prompt_tokens = text.tokens.len();
        // Later pieces are decoded as they read after the prompt.
        text.next_piece(tokenizer, true)?;
        let sequence = |index: usize| {
            let mut params = params.clone();
            params.sampling.seed = params.sampling.seed.wrapping_add(index as u64);
            Sequence {
                tokenizer: tokenizer.clone(),
                context: length,
                width: self.plan.width().max(1),
                first: prompt_tokens.saturating_sub(length),
                text: text.clone(),
                step: 0,
                params,
                cache: DecoderCache::default(),
                cached_tokens: 0,
                whole_chunks: 0,
                end_tokens: ends.clone(),
                echo: echo.clone(),
                characters,
                held: String::new(),
                grammar: options.grammar.map(CompiledGrammar::begin),
                prompt_tokens,
            }
        };
        Ok((0..options.count).map(sequence).collect())
    }

    /// Target, tokenizer and context of a language model.
    fn language_model(&self) -> Result<(&FittedTarget, &FittedTokenizer, usize), Error> {
        match (self.plan.targets.first(), self.plan.inputs.as_slice()) {
            (target @ FittedTarget::NextToken { .. }, [FittedInput::Text { tokenizer, length, .. }]) => {
                Ok((target, tokenizer, *length))
            }
            (target, _) => Err(Error::NotALanguageModel { target: target.name().to_owned() }),
        }
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

    /// `true` while log-probabilities of the prompt are missing, which need the logits after each of its tokens.
    pub(super) fn scores_prompt(&self) -> bool {
        self.echo.as_ref().is_some_and(Echo::is_unscored)
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
    /// A sequence whose prompt is not yet computed gives `None`. A text that outgrows the model's context, which only
    /// [`ContextOverflow::Slide`](super::ContextOverflow::Slide) allows, goes on from its last half.
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
        let requests = sequences.iter_mut().zip(&windows).map(|(sequence, window)| {
            let every_token = sequence.scores_prompt();
            DecodeRequest { tokens: window, cache: &mut sequence.cache, every_token }
        });
        let mut requests: Vec<DecodeRequest<'_>> = requests.collect();
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
        let scored = if self.scores_prompt() { SCORED_LOGITS / self.width } else { usize::MAX };
        // An engine without a KV cache computes all tokens at once in any case.
        let most = if most == usize::MAX { most } else { most.min(scored.max(1)) };
        let (mut tokens, cached) = (self.visible_tokens(), self.cache.tokens());
        tokens.truncate(cached.saturating_add(most));
        if cached == self.whole_chunks && tokens.len() - cached == PREFILL_CHUNK {
            self.whole_chunks = tokens.len();
        }
        tokens
    }

    /// Appends the token that the logits after `seen` tokens give. While the prompt is scored, there are logits for several
    /// tokens up to there.
    fn advance(&mut self, seen: usize, logits: &[f32]) -> Result<Option<TextPiece>, Error> {
        if let (Some(echo), Some(top)) = (&mut self.echo, self.params.logprobs) {
            let tokens = (self.text.tokens.as_slice(), self.first + seen);
            echo.score(tokens, (logits, self.width), &self.tokenizer, top)?;
        }
        let logits = &logits[logits.len().saturating_sub(self.width)..];
        if self.first + seen < self.text.tokens.len() {
            return Ok(None);
        }
        let (mut ended, mut logprobs) = (false, Vec::new());
        if self.step < self.params.max_tokens {
            let chosen = self.choose(logits)?;
            self.step += u64::from(chosen.is_some());
            match chosen.filter(|token| !self.end_tokens.contains(token)) {
                None => ended = true,
                Some(token) => {
                    if let Some(top) = self.params.logprobs {
                        let mut chosen = token_logprobs(&self.tokenizer, logits, token, top)?;
                        chosen.offset = self.characters;
                        logprobs.push(chosen);
                    }
                    self.text.tokens.push(token);
                    let accepted = self.grammar.as_mut().map(|grammar| grammar.accept(token));
                    ended = accepted.transpose()?.unwrap_or(false);
                }
            }
        }
        let last = ended || self.step >= self.params.max_tokens;
        let piece = self.text.next_piece(&self.tokenizer, last)?;
        self.held.push_str(&piece);
        self.characters += piece.chars().count();
        let reason = if ended { FinishReason::Stop } else { FinishReason::Length };
        let mut piece = TextPiece { logprobs, ..self.release(last.then_some(reason)) };
        if let Some(mut echo) = self.echo.take() {
            echo.text.push_str(&piece.text);
            echo.logprobs.append(&mut piece.logprobs);
            (piece.text, piece.logprobs) = (echo.text, echo.logprobs);
        }
        Ok(Some(piece))
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
        TextPiece {
            text,
            finish,
            cached_tokens: self.cached_tokens,
            generated_tokens: self.step,
            logprobs: Vec::new(),
        }
    }
}

/// Text that was generated at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedText {
    /// Generated text, without the prompt.
    pub text: String,
    /// Reason for its end; `None` if the caller ended it.
    pub finish: Option<FinishReason>,
    /// Number of tokens of the prompt.
    pub prompt_tokens: usize,
    /// Number of generated tokens.
    pub generated_tokens: u64,
}

impl Predictor {
    /// Generates the text after `prompt`, and passes it to `on_text` piece by piece. A plain prompt comes first, as its
    /// tokens read. `on_text` is called after each pass, with an empty text while the prompt is computed, and ends the
    /// text with a break.
    ///
    /// # Errors
    /// The errors of [`LoadedPackage::begin_sequence`]; a failure of the device.
    pub fn generate(
        &mut self,
        prompt: &Prompt,
        params: GenerationParams,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<GeneratedText, Error> {
        let mut sequence = self.package.begin_sequence(prompt, params)?;
        if matches!(prompt, Prompt::Text(_)) && on_text(&sequence.text.text(&sequence.tokenizer)?).is_break()
        {
            return Ok(sequence.generated(String::new(), None));
        }
        self.finish_text(&mut sequence, on_text)
    }

    /// Generates the text of a sequence to its end.
    pub(super) fn finish_text(
        &mut self,
        sequence: &mut Sequence,
        on_text: &mut dyn FnMut(&str) -> ControlFlow<()>,
    ) -> Result<GeneratedText, Error> {
        let mut text = String::new();
        if sequence.params.max_tokens == 0 {
            return Ok(sequence.generated(text, Some(FinishReason::Length)));
        }
        loop {
            let mut pieces = Sequence::decode(&mut [&mut *sequence], self)?;
            let piece = pieces.pop().transpose()?.flatten();
            let (new, finish) = piece.map_or_else(Default::default, |piece| (piece.text, piece.finish));
            text.push_str(&new);
            let stopped = on_text(&new).is_break();
            if stopped || finish.is_some() {
                return Ok(sequence.generated(text, finish));
            }
        }
    }
}

impl Sequence {
    fn generated(&self, text: String, finish: Option<FinishReason>) -> GeneratedText {
        GeneratedText {
            text,
            finish,
            prompt_tokens: self.prompt_tokens,
            generated_tokens: self.generated_tokens(),
        }
    }
}
