//! Pieces of generated text, as they are streamed.

/// Text that a decoding step adds to a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct TextPiece {
    /// Decoded text; empty while a character is incomplete or a stop string may be beginning. The first piece of an
    /// echoed prompt begins with it.
    pub text: String,
    /// Reason for the end, set with the last event.
    pub finish: Option<FinishReason>,
    /// Number of prompt tokens that were taken from the prefix cache.
    pub cached_tokens: usize,
    /// Number of tokens that have been generated so far.
    pub generated_tokens: u64,
    /// Log-probabilities of the chosen token, if they were requested; before it those of an echoed prompt.
    pub logprobs: Vec<TokenLogprobs>,
}

/// Reason for a text's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop string, an end-of-text token, or the end of the grammar.
    Stop,
    /// The largest number of tokens, or the end of the context.
    Length,
}

/// A token, its log-probability, and those of the likeliest tokens in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprobs {
    /// Decoded token.
    pub token: String,
    /// Characters of the text before the token, an echoed prompt included.
    pub offset: usize,
    /// Log-probability by the model's own logits, before processing and sampling; `None` for the first token of a prompt.
    pub logprob: Option<f64>,
    /// Likeliest tokens with their log-probabilities, in descending order.
    pub top: Vec<(String, f64)>,
}
