//! Training of a vocabulary that depends on the texts alone.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use tokenizers::models::TrainerWrapper;
use tokenizers::tokenizer::Trainer;
use tokenizers::{AddedToken, ModelWrapper};

/// Prefix of a piece that continues a word.
const CONTINUES: &str = "##";

/// Trainer whose result is a function of the texts.
///
/// The `WordPiece` trainer of `tokenizers` 0.23 numbers the characters that continue a word in the order of a randomly
/// seeded hash map, and pairs that are equally frequent are merged in the order of these numbers. Here those characters
/// are given to it in their own order.
pub(super) struct ReproducibleTrainer {
    inner: TrainerWrapper,
}

impl ReproducibleTrainer {
    pub fn new(inner: TrainerWrapper) -> Self {
        Self { inner }
    }
}

impl Trainer for ReproducibleTrainer {
    type Model = ModelWrapper;

    fn should_show_progress(&self) -> bool {
        self.inner.should_show_progress()
    }

    fn train(&self, model: &mut ModelWrapper) -> tokenizers::Result<Vec<AddedToken>> {
        let special = self.inner.train(model)?;
        Ok(special.into_iter().filter(|token| !token.content.starts_with(CONTINUES)).collect())
    }

    fn feed<I, S, F>(&mut self, texts: I, words: F) -> tokenizers::Result<()>
    where
        I: Iterator<Item = S> + Send,
        S: AsRef<str> + Send,
        F: Fn(&str) -> tokenizers::Result<Vec<String>> + Sync,
    {
        let TrainerWrapper::WordPieceTrainer(_) = &self.inner else { return self.inner.feed(texts, words) };
        let continuing = Mutex::new(BTreeSet::new());
        self.inner.feed(texts, |text| {
            let words = words(text)?;
            let found: BTreeSet<char> = words.iter().flat_map(|word| word.chars().skip(1)).collect();
            continuing.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
            Ok(words)
        })?;
        if let TrainerWrapper::WordPieceTrainer(trainer) = &mut self.inner {
            let continuing = continuing.into_inner().unwrap_or_else(PoisonError::into_inner);
            let pieces = continuing.into_iter().map(|c| AddedToken::from(format!("{CONTINUES}{c}"), true));
            let special = trainer.special_tokens().iter().cloned().chain(pieces).collect();
            trainer.set_special_tokens(special);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use cupola_spec::{Tokens, TokensKind};

    use super::super::untrained::untrained;
    use super::*;

    #[test]
    fn a_vocabulary_depends_on_the_texts_alone() {
        let texts: Vec<String> = (0..200_u32)
            .map(|row| {
                let word = |salt: u32| -> String {
                    (0..5).map(|at| char::from(b'a' + ((row * 31 + salt * 7 + at * 13) % 26) as u8)).collect()
                };
                format!("{} {} #{}", word(1), word(2), word(3))
            })
            .collect();
        for kind in [TokensKind::WordPiece, TokensKind::Bpe, TokensKind::Word, TokensKind::Char] {
            let spec = Tokens { kind, vocabulary: 400, length: 8, lowercase: false, file: None };
            let vocabulary = || {
                let (mut tokenizer, trainer) = untrained(&spec).unwrap();
                let mut trainer = ReproducibleTrainer::new(trainer);
                tokenizer.train(&mut trainer, texts.iter()).unwrap();
                assert!(tokenizer.get_added_vocabulary().get_vocab().keys().all(|token| token == "[UNK]"));
                serde_json::to_value(&tokenizer).unwrap()
            };
            let first = vocabulary();
            for _ in 0..5 {
                assert_eq!(vocabulary(), first, "{kind:?}");
            }
        }
    }
}
