//! Prompts that a text begins with, and the log-probabilities of their tokens.

use cupola_prep::FittedTokenizer;

use super::detokenizer::Detokenizer;
use super::logits;
use super::pieces::TokenLogprobs;
use super::prompt::EncodedPrompt;
use crate::error::Error;

/// Prompt that is repeated at the beginning of its text.
#[derive(Debug, Clone, Default)]
pub(super) struct Echo {
    pub text: String,
    /// Log-probabilities of the tokens that were scored so far; empty if they were not requested.
    pub logprobs: Vec<TokenLogprobs>,
    /// Characters of the text before each token; empty if no log-probabilities were requested.
    offsets: Vec<usize>,
}

impl Echo {
    /// Echo of a prompt, with log-probabilities if `scored` is `true`.
    pub fn new(prompt: &EncodedPrompt, tokenizer: &FittedTokenizer, scored: bool) -> Result<Self, Error> {
        let text = match &prompt.text {
            Some(text) => text.clone(),
            None => Detokenizer::new(prompt.tokens.clone()).text(tokenizer)?,
        };
        if !scored {
            return Ok(Self { text, ..Self::default() });
        }
        let offsets = offsets(&prompt.tokens, &text, tokenizer)?;
        let first = token_text(tokenizer, prompt.tokens.first().copied().unwrap_or_default())?;
        // Nothing precedes the first token.
        let first = TokenLogprobs { token: first, offset: 0, logprob: None, top: Vec::new() };
        Ok(Self { text, logprobs: vec![first], offsets })
    }

    /// `true` if log-probabilities of tokens are missing.
    pub fn is_unscored(&self) -> bool {
        self.logprobs.len() < self.offsets.len()
    }

    /// Adds the log-probabilities that logits `[rows, width]` after the tokens up to `seen` give.
    pub fn score(
        &mut self,
        (tokens, seen): (&[u32], usize),
        (logits, width): (&[f32], usize),
        tokenizer: &FittedTokenizer,
        top: usize,
    ) -> Result<(), Error> {
        let first = seen.saturating_sub(logits.len() / width.max(1));
        for (row, logits) in logits.chunks_exact(width.max(1)).enumerate() {
            let at = first + row + 1;
            if at == self.logprobs.len() && self.is_unscored() {
                let scored = token_logprobs(tokenizer, logits, tokens[at], top)?;
                self.logprobs.push(TokenLogprobs { offset: self.offsets[at], ..scored });
            }
        }
        Ok(())
    }
}

/// Log-probabilities of a token at offset 0.
pub(super) fn token_logprobs(
    tokenizer: &FittedTokenizer,
    logits: &[f32],
    token: u32,
    top: usize,
) -> Result<TokenLogprobs, Error> {
    let (logprob, likeliest) = logits::logprobs(logits, token, top);
    let likeliest =
        likeliest.into_iter().map(|(token, logprob)| Ok((token_text(tokenizer, token)?, logprob)));
    Ok(TokenLogprobs {
        token: token_text(tokenizer, token)?,
        offset: 0,
        logprob: Some(logprob),
        top: likeliest.collect::<Result<_, Error>>()?,
    })
}

fn token_text(tokenizer: &FittedTokenizer, token: u32) -> Result<String, Error> {
    tokenizer.decode(&[token]).map_err(|error| Error::Tokens { why: error.to_string() })
}

/// Characters of `text` before each of its tokens. Special tokens that were put in front of the text have no width.
fn offsets(tokens: &[u32], text: &str, tokenizer: &FittedTokenizer) -> Result<Vec<usize>, Error> {
    let most = text.chars().count();
    let (mut decoded, mut at, mut begun) = (Detokenizer::new(Vec::new()), 0, false);
    let mut offsets = Vec::with_capacity(tokens.len());
    for token in tokens {
        offsets.push(at);
        decoded.tokens.push(*token);
        let piece = decoded.next_piece(tokenizer, false)?;
        begun = begun || text.starts_with(piece.as_str()) && !piece.is_empty();
        if begun {
            at = (at + piece.chars().count()).min(most);
        }
    }
    Ok(offsets)
}
