//! Settings of inputs of kind `text`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Tokenizer of a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Algorithm. Its vocabulary is learned on the training split.
    #[serde(default = "bpe")]
    pub kind: TokensKind,
    /// Largest size of the vocabulary.
    #[serde(default = "eight_thousand")]
    #[schemars(range(min = 2))]
    pub vocabulary: usize,
    /// Number of tokens of one example. Longer texts are truncated, shorter ones padded.
    #[schemars(range(min = 1))]
    pub length: usize,
    /// Convert texts to lower case.
    #[serde(default)]
    pub lowercase: bool,
    /// Path of a Hugging Face `tokenizer.json` to use instead of learning one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// Algorithm of a tokenizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TokensKind {
    /// Byte-level byte-pair encoding (Sennrich et al. 2016; GPT-2).
    Bpe,
    /// Subwords of words (`WordPiece`; Schuster and Nakajima 2012; BERT).
    WordPiece,
    /// The most frequent whole words.
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
