//! Tokenizers: learned from the training rows, or read from a file.

mod charsmap;
mod limits;
mod spans;
mod token_bytes;
mod trainer;
mod untrained;

use std::sync::Arc;

use cupola_spec::Tokens;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{PostProcessor, Tokenizer};

use crate::error::Error;
use crate::frame::{Frame, SEND_TRAINED_COLUMNS};

use self::trainer::ReproducibleTrainer;
use self::untrained::untrained;

/// Bytes of long words.
const LONG_WORD: usize = 64;
/// Bytes of a text that no token stands for.
const MAX_TOKEN: usize = 1_024;

/// Fitted tokenizer, serialized as Hugging Face's `tokenizer.json`.
///
/// Index 0 is padding, so the token with id `i` has index `i + 1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct FittedTokenizer {
    tokenizer: Arc<Tokenizer>,
    vocabulary: usize,
    /// Bytes of the longest token.
    longest: usize,
}

impl PartialEq for FittedTokenizer {
    fn eq(&self, other: &Self) -> bool {
        Value::from(self.clone()) == Value::from(other.clone())
    }
}

impl TryFrom<Value> for FittedTokenizer {
    type Error = Error;

    fn try_from(value: Value) -> Result<Self, Error> {
        limits::check(&value)?;
        charsmap::check(&value)?;
        let tokenizer = Tokenizer::from_bytes(value.to_string())
            .map_err(|error| tokenizer_error(&format!("invalid tokenizer: {error}")))?;
        limits::try_out(&tokenizer)?;
        Ok(Self::new(tokenizer))
    }
}

impl From<FittedTokenizer> for Value {
    fn from(tokenizer: FittedTokenizer) -> Self {
        // Serialization cannot fail: every tokenizer was parsed from JSON or trained.
        serde_json::to_value(&*tokenizer.tokenizer).unwrap_or_default()
    }
}

fn tokenizer_error(error: &dyn std::fmt::Display) -> Error {
    Error::Tokenizer { why: error.to_string() }
}

impl FittedTokenizer {
    fn new(tokenizer: Tokenizer) -> Self {
        // Ids in a file may have gaps.
        let tokens = tokenizer.get_vocab(true);
        let ids = tokens.values().max().map_or(0, |id| *id as usize + 1);
        let longest = tokens.keys().map(String::len).max().unwrap_or_default();
        Self { tokenizer: Arc::new(tokenizer), vocabulary: ids + 1, longest }
    }

    /// Learns the vocabulary from a column of the training rows, or reads the file that `spec` names.
    ///
    /// # Errors
    /// [`Error::Input`] for an invalid file or a column without any text.
    pub fn fit(input: &str, column: &str, spec: &Tokens, frame: &Frame) -> Result<Self, Error> {
        let invalid = |why: String| Error::Input { input: input.to_owned(), why };
        if let Some(path) = &spec.file {
            return Self::read(path).map_err(|error| invalid(error.to_string()));
        }
        let values = frame.require(column, SEND_TRAINED_COLUMNS)?;
        let texts: Vec<String> =
            (0..frame.rows()).filter_map(|row| Some(values.text(row)?.into_owned())).collect();
        if texts.is_empty() {
            return Err(invalid("all training values are missing; leave the input out".into()));
        }
        let (mut tokenizer, trainer) = untrained(spec).map_err(|error| invalid(error.to_string()))?;
        let mut trainer = ReproducibleTrainer::new(trainer);
        tokenizer.train(&mut trainer, texts.into_iter()).map_err(|error| invalid(error.to_string()))?;
        Ok(Self::new(tokenizer))
    }

    /// Reads a `tokenizer.json` of Hugging Face.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the file cannot be read or parsed.
    pub fn read(path: &str) -> Result<Self, Error> {
        let invalid = |error: &dyn std::fmt::Display| {
            tokenizer_error(&format!("{path}: {error}; pass a Hugging Face `tokenizer.json`"))
        };
        let bytes = std::fs::read(path).map_err(|error| invalid(&error))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|error| invalid(&error))?;
        limits::check(&value).map_err(|error| invalid(&error))?;
        charsmap::check(&value).map_err(|error| invalid(&error))?;
        let mut tokenizer = Tokenizer::from_bytes(&bytes).map_err(|error| invalid(&error))?;
        // The plan truncates and pads; settings of the file would cut texts short or add tokens.
        tokenizer.with_padding(None);
        // Fails only for a stride that does not fit.
        let _ = tokenizer.with_truncation(None);
        limits::try_out(&tokenizer).map_err(|error| invalid(&error))?;
        Ok(Self::new(tokenizer))
    }

    /// Number of indices, including padding.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Bytes of a text that a token may stand for: those of the longest token, and no fewer than long words have, which
    /// may be one unknown token.
    pub fn longest_token(&self) -> usize {
        self.longest.clamp(LONG_WORD, MAX_TOKEN)
    }

    /// Id of a token in the tokenizer's own count, which leaves padding out; `None` for an unknown token.
    pub fn token_id(&self, token: &str) -> Option<u32> {
        self.tokenizer.token_to_id(token)
    }

    /// Encodes a text with the special tokens around it, such as `[CLS]` and `[SEP]`.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer rejects the text.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.indices(text, true)
    }

    /// Encodes a text that already contains its special tokens.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer rejects the text.
    pub fn encode_bare(&self, text: &str) -> Result<Vec<u32>, Error> {
        self.indices(text, false)
    }

    fn indices(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, Error> {
        let encoding =
            self.tokenizer.encode(text, add_special_tokens).map_err(|error| tokenizer_error(&error))?;
        Ok(encoding.get_ids().iter().map(|id| id + 1).collect())
    }

    /// Encodes a text as at most `length` tokens. The special tokens around it are kept.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer rejects the text.
    pub fn encode_within(&self, text: &str, length: usize) -> Result<Vec<u32>, Error> {
        let mut encoding = self.tokenizer.encode(text, false).map_err(|error| tokenizer_error(&error))?;
        let special = self.tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(false));
        encoding.truncate(length.saturating_sub(special), 0, TruncationDirection::Right);
        let encoding =
            self.tokenizer.post_process(encoding, None, true).map_err(|error| tokenizer_error(&error))?;
        Ok(encoding.get_ids().iter().take(length).map(|id| id + 1).collect())
    }

    /// Decodes indices to text. Padding is skipped.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer rejects the tokens.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, Error> {
        let ids: Vec<u32> = tokens.iter().filter(|token| **token > 0).map(|token| token - 1).collect();
        self.tokenizer.decode(&ids, false).map_err(|error| tokenizer_error(&error))
    }
}
