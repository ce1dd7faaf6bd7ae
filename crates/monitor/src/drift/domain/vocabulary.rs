//! Weights of the words of texts, as `TfidfVectorizer` of scikit-learn 1.9 has them with sublinear counts, English stop words and
//! words in at most half of the texts.

use std::collections::{BTreeMap, HashMap};

use super::descent::SparseRow;
use super::stop_words::stop_words;

/// Words that texts are told apart by.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Vocabulary {
    words: HashMap<String, VocabularyWord>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct VocabularyWord {
    /// Place in alphabetical order.
    place: usize,
    /// Place in the order of the first texts with each word.
    first: usize,
    /// Inverse document frequency.
    weight: f64,
}

/// Order in which the weights of a text are summed up. Rounding decides which texts have equal scores, so it is that of scikit-learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WordOrder {
    /// Order of the first texts with each word, for texts to train with.
    Seen,
    /// Alphabetical order, for all other texts.
    Alphabet,
}

impl Vocabulary {
    /// Words of these texts, each a list of words in lower case.
    #[allow(clippy::cast_precision_loss, reason = "a number of texts")]
    pub fn of(texts: &[Vec<&str>]) -> Self {
        let stops = stop_words();
        // Number of texts with each word, the last of them, and the place among all words.
        let mut found: BTreeMap<&str, (usize, usize, usize)> = BTreeMap::new();
        for (at, text) in texts.iter().enumerate() {
            for word in text.iter().filter(|word| !stops.contains(*word)) {
                let seen = found.len();
                let (count, last, _) = found.entry(word).or_insert((0, usize::MAX, seen));
                if *last != at {
                    (*count, *last) = (*count + 1, at);
                }
            }
        }
        let all = texts.len() as f64;
        let kept = found.into_iter().filter(|(_, (count, ..))| *count as f64 <= 0.5 * all);
        let words = kept.enumerate().map(|(place, (word, (count, _, first)))| {
            let weight = ((all + 1.0) / (count as f64 + 1.0)).ln() + 1.0;
            (word.to_owned(), VocabularyWord { place, first, weight })
        });
        Self { words: words.collect() }
    }

    /// Number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Weights of the known words of a text, of length 1 unless there are none.
    pub fn row(&self, text: &[&str], order: WordOrder) -> SparseRow {
        let mut counts: BTreeMap<usize, (f64, VocabularyWord)> = BTreeMap::new();
        for word in text.iter().filter_map(|word| self.words.get(*word)) {
            let key = if order == WordOrder::Seen { word.first } else { word.place };
            counts.entry(key).or_insert((0.0, *word)).0 += 1.0;
        }
        let weighted = |(count, word): (f64, VocabularyWord)| (word.place, (count.ln() + 1.0) * word.weight);
        let mut row: SparseRow = counts.into_values().map(weighted).collect();
        let length = row.iter().map(|(_, value)| value * value).sum::<f64>().sqrt();
        if length > 0.0 {
            for (_, value) in &mut row {
                *value /= length;
            }
        }
        row
    }
}
