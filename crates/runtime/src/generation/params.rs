//! Options of a generated text.

use super::grammar::Grammar;
use super::logits::LogitsProcessor;
use super::sampling::Sampling;

/// Options of a generated text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct GenerationParams {
    /// Largest number of generated tokens.
    pub max_tokens: u64,
    /// Choice of the next token from its probabilities.
    pub sampling: Sampling,
    /// Changes to the logits before sampling.
    pub logits: LogitsProcessor,
    /// Number of likeliest tokens to report beside each chosen token; `None` reports no log-probabilities.
    pub logprobs: Option<usize>,
    /// Grammar that the text has to follow; `None` for free text.
    pub grammar: Option<Grammar>,
    /// Strings before which the text ends.
    pub stop: Vec<String>,
    /// Owner of the text. Cached prefixes are shared among texts of one owner only: response times would reveal the
    /// prefixes of others.
    pub owner: String,
}
