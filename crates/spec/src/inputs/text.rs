//! Settings of inputs of kind `text`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How a text becomes tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// The algorithm; its vocabulary is learned on the training split.
    #[serde(default = "bpe")]
    pub kind: TokensKind,
    /// Largest vocabulary.
    #[serde(default = "eight_thousand")]
    #[schemars(range(min = 2))]
    pub vocabulary: usize,
    /// Tokens of one example: longer texts are cut, shorter ones padded.
    #[schemars(range(min = 1))]
    pub length: usize,
    /// Whether case is left out.
    #[serde(default)]
    pub lowercase: bool,
    /// A `tokenizer.json` of Hugging Face's tokenizers to use instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Algorithm of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokensKind {
    /// Byte-level byte-pair encoding (Sennrich et al. 2016; GPT-2).
    Bpe,
    /// Subwords of words (Schuster and Nakajima 2012; BERT).
    WordPiece,
    /// Whole words, the most frequent ones.
    Word,
    /// Single characters.
    Char,
}

fn bpe() -> TokensKind {
    TokensKind::Bpe
}

fn eight_thousand() -> usize {
    8000
}
