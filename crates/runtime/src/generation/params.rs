//! Options of a generated text.

use super::grammar::Grammar;
use super::logits::LogitsProcessor;
use super::sampling::Sampling;

/// Options of a generated text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationParams {
    /// Largest number of generated tokens.
    pub max_tokens: u64,
    /// Treatment of texts that are longer than the model's context.
    pub overflow: ContextOverflow,
    /// Choice of the next token from its probabilities.
    pub sampling: Sampling,
    /// Changes to the logits before sampling.
    pub logits: LogitsProcessor,
    /// Number of likeliest tokens to report beside each chosen token; `None` reports no log-probabilities.
    pub logprobs: Option<usize>,
    /// `true` if the text begins with the prompt, and the log-probabilities with those of its tokens.
    pub echo: bool,
    /// Grammar that the text has to follow; `None` for free text.
    pub grammar: Option<Grammar>,
    /// Strings before which the text ends.
    pub stop: Vec<String>,
    /// Owner of the text. Cached prefixes are shared among texts of one owner only: response times would reveal the
    /// prefixes of others.
    pub owner: String,
}

/// Treatment of texts that are longer than the model's context.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContextOverflow {
    /// A longer prompt is an error, and the text ends where the context ends.
    #[default]
    Refuse,
    /// Only this many tokens at the end of a prompt are used; without a number as many as leave room for the generated
    /// tokens, and at least half of the context. The text ends where the context ends.
    KeepEnd(Option<usize>),
    /// Only the end of a longer prompt is used, and a text that outgrows the context goes on from its last half.
    Slide,
}
