//! Free text: a tokenizer that is learned on the training rows, or read from a file.

mod bytes;

use std::sync::Arc;

use cupola_spec::{Tokens, TokensKind};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordlevel::{WordLevel, WordLevelTrainer};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::{BertNormalizer, Lowercase};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::utils::truncation::TruncationDirection;
use tokenizers::{AddedToken, ModelWrapper, PostProcessor, SplitDelimiterBehavior, Tokenizer};

use crate::error::Error;
use crate::frame::{Frame, SEND};

/// Stands for what the vocabulary lacks.
const UNKNOWN: &str = "[UNK]";

/// A tokenizer, sealed as Hugging Face's `tokenizer.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct FittedTokenizer {
    own: Arc<Tokenizer>,
    vocabulary: usize,
}

impl PartialEq for FittedTokenizer {
    fn eq(&self, other: &Self) -> bool {
        Value::from(self.clone()) == Value::from(other.clone())
    }
}

impl TryFrom<Value> for FittedTokenizer {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let tokenizer = Tokenizer::from_bytes(value.to_string()).map_err(|e| format!("tokenizer: {e}"))?;
        Ok(Self::new(tokenizer))
    }
}

impl From<FittedTokenizer> for Value {
    fn from(tokenizer: FittedTokenizer) -> Self {
        // What was parsed from JSON, or trained, is written as JSON.
        serde_json::to_value(&*tokenizer.own).unwrap_or_default()
    }
}

impl FittedTokenizer {
    fn new(own: Tokenizer) -> Self {
        // A file's ids need not be dense.
        let ids = own.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1);
        Self { own: Arc::new(own), vocabulary: ids + 1 }
    }

    /// Learns the vocabulary from a column of the training rows, or reads the file that is named.
    ///
    /// # Errors
    /// A file that is no tokenizer, a column without any text.
    pub fn fit(input: &str, column: &str, spec: &Tokens, frame: &Frame) -> Result<Self, Error> {
        let wrong = |why: String| Error::Input { input: input.to_owned(), why };
        if let Some(path) = &spec.file {
            return Self::read(path).map_err(wrong);
        }
        let values = frame.require(column, SEND)?;
        let texts: Vec<String> =
            (0..frame.rows()).filter_map(|row| Some(values.text(row)?.into_owned())).collect();
        if texts.is_empty() {
            return Err(wrong("all its training values are missing; leave it out".into()));
        }
        let (mut tokenizer, mut trainer) = untrained(spec).map_err(|e| wrong(e.to_string()))?;
        tokenizer.train(&mut trainer, texts.into_iter()).map_err(|e| wrong(e.to_string()))?;
        Ok(Self::new(tokenizer))
    }

    /// Reads a `tokenizer.json` of Hugging Face.
    ///
    /// # Errors
    /// What is wrong with the file, and the remedy.
    pub fn read(path: &str) -> Result<Self, String> {
        let tokenizer = Tokenizer::from_file(path)
            .map_err(|e| format!("{path}: {e}; name a `tokenizer.json` of Hugging Face"))?;
        Ok(Self::new(plain(tokenizer)))
    }

    pub(crate) fn own(&self) -> &Tokenizer {
        &self.own
    }

    /// Different tokens, padding included.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Indices of a text's tokens: 0 is padding, so token `i` is `i + 1`.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>, String> {
        self.indices(text, true)
    }

    /// The same of a text that has the tokens at its ends already.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encode_bare(&self, text: &str) -> Result<Vec<u32>, String> {
        self.indices(text, false)
    }

    fn indices(&self, text: &str, ends: bool) -> Result<Vec<u32>, String> {
        let encoding = self.own.encode(text, ends).map_err(|error| error.to_string())?;
        Ok(encoding.get_ids().iter().map(|id| id + 1).collect())
    }

    /// The same, at most `length` of them; tokens that stand at the ends of every text, such as
    /// `[SEP]`, are kept.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn encode_within(&self, text: &str, length: usize) -> Result<Vec<u32>, String> {
        let said = |error: tokenizers::Error| error.to_string();
        let mut encoding = self.own.encode(text, false).map_err(said)?;
        let around = self.own.get_post_processor().map_or(0, |p| p.added_tokens(false));
        encoding.truncate(length.saturating_sub(around), 0, TruncationDirection::Right);
        let encoding = self.own.post_process(encoding, None, true).map_err(said)?;
        Ok(encoding.get_ids().iter().take(length).map(|id| id + 1).collect())
    }

    /// The text of indices of tokens; padding is left out.
    ///
    /// # Errors
    /// What the tokenizer says.
    pub fn decode(&self, tokens: &[u32]) -> Result<String, String> {
        let ids: Vec<u32> = tokens.iter().filter(|token| **token > 0).map(|token| token - 1).collect();
        self.own.decode(&ids, false).map_err(|error| error.to_string())
    }
}

/// Cutting and padding are the plan's: a file's own would hide texts' ends or add tokens.
fn plain(mut tokenizer: Tokenizer) -> Tokenizer {
    tokenizer.with_padding(None);
    // Only a stride that does not fit can fail, and there is none.
    let _ = tokenizer.with_truncation(None);
    tokenizer
}

fn untrained(spec: &Tokens) -> Result<(Tokenizer, TrainerWrapper), tokenizers::Error> {
    let special = vec![AddedToken::from(UNKNOWN, true)];
    let (model, trainer): (ModelWrapper, TrainerWrapper) = match spec.kind {
        TokensKind::Bpe => {
            let trainer = BpeTrainer::builder()
                .show_progress(false)
                .vocab_size(spec.vocabulary)
                .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
                .build();
            (BPE::builder().build()?.into(), trainer.into())
        }
        TokensKind::WordPiece => {
            let trainer = WordPieceTrainer::builder()
                .show_progress(false)
                .vocab_size(spec.vocabulary)
                .special_tokens(special)
                .build();
            (WordPiece::builder().unk_token(UNKNOWN.into()).build()?.into(), trainer.into())
        }
        TokensKind::Word | TokensKind::Char => {
            let trainer = WordLevelTrainer::builder()
                .show_progress(false)
                .vocab_size(spec.vocabulary)
                .special_tokens(special)
                .build()?;
            (WordLevel::builder().unk_token(UNKNOWN.into()).build()?.into(), trainer.into())
        }
    };
    let mut tokenizer = Tokenizer::new(model);
    if spec.kind == TokensKind::Char {
        let each = SplitPattern::Regex("(?s).".into());
        tokenizer.with_pre_tokenizer(Some(Split::new(each, SplitDelimiterBehavior::Isolated, false)?));
        tokenizer.with_decoder(Some(Fuse::new()));
        if spec.lowercase {
            tokenizer.with_normalizer(Some(Lowercase))?;
        }
    } else if spec.kind == TokensKind::Bpe {
        tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
        tokenizer.with_decoder(Some(ByteLevel::default()));
        if spec.lowercase {
            tokenizer.with_normalizer(Some(Lowercase))?;
        }
    } else {
        tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
        tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, None, spec.lowercase)))?;
    }
    Ok((tokenizer, trainer))
}
