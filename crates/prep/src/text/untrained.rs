//! Tokenizers before they are trained.

use cupola_spec::{Tokens, TokensKind};
use tokenizers::decoders::fuse::Fuse;
use tokenizers::models::TrainerWrapper;
use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::models::wordlevel::{WordLevel, WordLevelTrainer};
use tokenizers::models::wordpiece::{WordPiece, WordPieceTrainer};
use tokenizers::normalizers::{BertNormalizer, Lowercase};
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, ModelWrapper, SplitDelimiterBehavior, Tokenizer};

/// Token for text outside the vocabulary.
const UNKNOWN: &str = "[UNK]";

/// Creates the tokenizer that `spec` describes, and the trainer of its model.
pub(super) fn untrained(spec: &Tokens) -> Result<(Tokenizer, TrainerWrapper), tokenizers::Error> {
    let (model, trainer) = model(spec)?;
    let mut tokenizer = Tokenizer::new(model);
    match spec.kind {
        TokensKind::Char => {
            let each = SplitPattern::Regex("(?s).".into());
            let split = Split::new(each, SplitDelimiterBehavior::Isolated, false)?;
            tokenizer.with_pre_tokenizer(Some(split));
            tokenizer.with_decoder(Some(Fuse::new()));
        }
        TokensKind::Bpe => {
            tokenizer.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
            tokenizer.with_decoder(Some(ByteLevel::default()));
        }
        TokensKind::Word | TokensKind::WordPiece => {
            tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
            tokenizer.with_normalizer(Some(BertNormalizer::new(true, true, None, spec.lowercase)))?;
            return Ok((tokenizer, trainer));
        }
    }
    if spec.lowercase {
        tokenizer.with_normalizer(Some(Lowercase))?;
    }
    Ok((tokenizer, trainer))
}

fn model(spec: &Tokens) -> Result<(ModelWrapper, TrainerWrapper), tokenizers::Error> {
    let special = vec![AddedToken::from(UNKNOWN, true)];
    Ok(match spec.kind {
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
    })
}
