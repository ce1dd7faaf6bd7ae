//! Incremental decoding of tokens to text.

use cupola_prep::FittedTokenizer;

use crate::error::Error;

/// Tokens of a growing text, decoded piece by piece.
///
/// Only the last pieces are decoded again: a decoder may treat the first token of a text specially, and a token may end
/// inside a character.
#[derive(Debug, Clone)]
pub(super) struct Detokenizer {
    pub tokens: Vec<u32>,
    /// Number of tokens before the last piece.
    before: usize,
    /// Number of tokens up to the end of the last piece.
    decoded: usize,
}

impl Detokenizer {
    pub fn new(tokens: Vec<u32>) -> Self {
        Self { tokens, before: 0, decoded: 0 }
    }

    /// Decodes the whole text.
    pub fn text(&self, tokenizer: &FittedTokenizer) -> Result<String, Error> {
        tokenizer.decode(&self.tokens).map_err(|error| Error::Tokens { why: error.to_string() })
    }

    /// Decodes the text since the last piece; empty while its last character is incomplete, unless it is the `last`.
    pub fn next_piece(&mut self, tokenizer: &FittedTokenizer, last: bool) -> Result<String, Error> {
        let decode = |tokens: &[u32]| {
            tokenizer.decode(tokens).map_err(|error| Error::Tokens { why: error.to_string() })
        };
        let known = decode(&self.tokens[self.before..self.decoded])?;
        let text = decode(&self.tokens[self.before..])?;
        if text.ends_with('\u{fffd}') && !last {
            return Ok(String::new());
        }
        (self.before, self.decoded) = (self.decoded, self.tokens.len());
        Ok(text.strip_prefix(known.as_str()).unwrap_or(&text).to_owned())
    }
}
