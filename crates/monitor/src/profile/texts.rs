//! Words of a sample of texts.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Most texts of a sample.
const MOST_TEXTS: usize = 2000;
/// Most words of a text in the sample.
const MOST_WORDS: usize = 200;

/// Hashes of the words of evenly spaced texts. The step between two of them doubles whenever they are too many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SampledTexts {
    seen: usize,
    /// Logarithm of the step.
    doublings: u32,
    texts: Vec<Vec<u64>>,
}

impl SampledTexts {
    /// Adds a text by its words.
    pub(super) fn push<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        let step = 1usize << self.doublings;
        if self.seen.is_multiple_of(step) {
            self.texts.push(words.take(MOST_WORDS).map(hash).collect());
            if self.texts.len() > MOST_TEXTS {
                self.texts = std::mem::take(&mut self.texts).into_iter().step_by(2).collect();
                self.doublings += 1;
            }
        }
        self.seen += 1;
    }

    /// Share of these words in each text of the sample that has words.
    #[allow(clippy::cast_precision_loss, reason = "a few hundred words")]
    pub(super) fn known_shares<'a>(&self, words: impl Iterator<Item = &'a str>) -> Vec<f64> {
        let known: HashSet<u64> = words.map(hash).collect();
        let texts = self.texts.iter().filter(|text| !text.is_empty());
        texts
            .map(|text| text.iter().filter(|word| known.contains(word)).count() as f64 / text.len() as f64)
            .collect()
    }
}

fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_evenly_spaced_and_bounded() {
        let mut texts = SampledTexts::default();
        for index in 0..5000 {
            texts.push(["a", if index % 4 == 0 { "b" } else { "c" }].into_iter());
        }
        // Every fourth text is left, all of which have both words.
        assert_eq!((texts.texts.len(), texts.doublings), (1250, 2));
        assert_eq!(texts.known_shares(["a"].into_iter()), vec![0.5; 1250]);
        assert_eq!(texts.known_shares(["a", "b"].into_iter()), vec![1.0; 1250]);
    }
}
