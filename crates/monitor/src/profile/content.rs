//! Sample of texts for a classifier.

use std::collections::HashMap;

use indexmap::IndexSet;

use super::CategoryReference;
use crate::drift::domain::content_words;

/// Words of evenly spaced texts in their order. The step between two of them doubles whenever they are too many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ContentSample {
    seen: usize,
    /// Logarithm of the step.
    doublings: u32,
    words: IndexSet<String>,
    texts: Vec<Vec<u32>>,
    /// `true` for a sealed sample: it has the frequent words only, and the first ones of each text.
    is_sealed: bool,
}

impl ContentSample {
    /// Most texts of a sample.
    const MOST_TEXTS: usize = 10_000;
    /// Most words of a text.
    const MOST_WORDS: usize = 1000;
    /// Words of a text in a sealed sample.
    const SEALED_WORDS: usize = 48;
    /// Sealed words of the profile for each sealed text.
    const WORDS_PER_TEXT: usize = 6;

    /// Adds a text.
    pub(super) fn push(&mut self, text: &str) {
        if self.seen.is_multiple_of(1 << self.doublings) {
            let words = content_words(text).take(Self::MOST_WORDS);
            let places = words.map(|word| u32::try_from(self.words.insert_full(word).0).unwrap_or(u32::MAX));
            self.texts.push(places.collect());
            if self.texts.len() > Self::MOST_TEXTS {
                self.texts = std::mem::take(&mut self.texts).into_iter().step_by(2).collect();
                self.doublings += 1;
            }
        }
        self.seen += 1;
    }

    /// Number of texts.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// `true` without texts.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }

    /// Sample for a profile with these words, and at most `most` values of any kind.
    pub(super) fn sealed(&self, words: &CategoryReference, most: usize) -> Vec<Vec<u32>> {
        let places: HashMap<&str, u32> =
            words.values.iter().zip(0..).map(|((word, _), place)| (word.as_str(), place)).collect();
        let known: Vec<Option<u32>> =
            self.words.iter().map(|word| places.get(word.as_str()).copied()).collect();
        let step = self.texts.len().div_ceil((most / Self::WORDS_PER_TEXT).max(1));
        if most < Self::WORDS_PER_TEXT || step == 0 {
            return Vec::new();
        }
        let text = |text: &Vec<u32>| {
            let words = text.iter().filter_map(|word| known.get(*word as usize).copied().flatten());
            words.take(Self::SEALED_WORDS).collect()
        };
        self.texts.iter().step_by(step).map(text).collect()
    }

    /// The sample of a profile.
    pub(super) fn of_sealed(words: &CategoryReference, texts: &[Vec<u32>]) -> Self {
        Self {
            seen: texts.len(),
            words: words.values.iter().map(|(word, _)| word.clone()).collect(),
            texts: texts.to_vec(),
            is_sealed: true,
            ..Self::default()
        }
    }

    /// Texts as lists of words, as far as `other` can have them.
    pub(crate) fn comparable(&self, other: &Self) -> Vec<Vec<&str>> {
        let text = |text: &Vec<u32>| {
            let words =
                text.iter().filter_map(|word| self.words.get_index(*word as usize)).map(String::as_str);
            if other.is_sealed {
                words.filter(|word| other.words.contains(*word)).take(Self::SEALED_WORDS).collect()
            } else {
                words.collect()
            }
        };
        self.texts.iter().map(text).collect()
    }
}
