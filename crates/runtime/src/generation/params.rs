//! Options of a generated text.

mod defaults;

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
    /// Options that have the model's defaults instead.
    pub omitted: OmittedOptions,
    /// Owner of the text. Cached prefixes are shared among texts of one owner only: response times would reveal the
    /// prefixes of others.
    pub owner: String,
}

/// Options that a request leaves out, `true` for each of them: the model's own defaults take their place.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each option is left out by itself")]
pub struct OmittedOptions {
    /// Largest number of generated tokens.
    pub max_tokens: bool,
    /// Divisor of the logits.
    pub temperature: bool,
    /// Probability mass to choose from.
    pub top_p: bool,
    /// Number of tokens to choose from.
    pub top_k: bool,
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
