//! Pieces of generated text, as they are streamed.

/// Text that a decoding step adds to a sequence.
#[derive(Debug, Clone, PartialEq)]
pub struct TextPiece {
    /// Decoded text; empty while a character is incomplete or a stop string may be beginning.
    pub text: String,
    /// Reason for the end, set with the last event.
    pub finish: Option<FinishReason>,
    /// Number of prompt tokens that were taken from the prefix cache.
    pub cached_tokens: usize,
    /// Log-probabilities of the chosen token, if they were requested.
    pub logprobs: Option<TokenLogprobs>,
}

/// Reason for a text's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// A stop string, an end-of-text token, or the end of the grammar.
    Stop,
    /// The largest number of tokens.
    Length,
}

/// A chosen token, its log-probability, and those of the likeliest tokens in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenLogprobs {
    /// Decoded token.
    pub token: String,
    /// Log-probability by the model's own logits, before processing and sampling.
    pub logprob: f64,
    /// Likeliest tokens with their log-probabilities, in descending order.
    pub top: Vec<(String, f64)>,
}
