//! Sketch of a column of texts.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::number::NumberSketch;
use crate::profile::TextReference;

/// Most bytes of a text whose words are looked up.
const READ_BYTES: usize = 2048;

/// Texts of a stream: their lengths, and the share of their words that the reference has.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct TextSketch {
    /// Numbers of characters; the rows without a text are its missing ones.
    pub length: NumberSketch,
    /// Share of known words of each text that has words; empty if the reference has none.
    pub known: NumberSketch,
    /// Words that were looked up.
    pub words: u64,
    /// Words among them that the reference does not have.
    pub unknown_words: u64,
}

/// Bins and words that a sketch of texts is made with.
#[derive(Debug, Clone, Default)]
pub(super) struct TextBins {
    pub length: Vec<f64>,
    pub known: Vec<f64>,
    pub words: HashSet<String>,
}

impl TextBins {
    pub fn of(reference: &TextReference) -> Self {
        Self {
            length: reference.length.edges.clone(),
            known: reference.known_share.edges.clone(),
            words: reference.words.values.iter().map(|(word, _)| word.clone()).collect(),
        }
    }
}

impl TextSketch {
    pub(super) fn new(bins: &TextBins) -> Self {
        Self {
            length: NumberSketch::new(&bins.length),
            known: NumberSketch::new(&bins.known),
            ..Self::default()
        }
    }

    /// Adds the text of a row. Of a long text the words of the beginning count.
    pub(super) fn add(&mut self, bins: &TextBins, text: Option<&str>) {
        let length = text.map(|text| text.chars().count() as f64);
        self.length.add(&bins.length, length);
        let Some(text) = text.filter(|_| !bins.words.is_empty()) else { return };
        let beginning = &text[..text.floor_char_boundary(READ_BYTES)];
        let (mut words, mut known) = (0u64, 0u64);
        for word in TextReference::words_of(beginning) {
            words += 1;
            known += u64::from(bins.words.contains(&word));
        }
        self.words += words;
        self.unknown_words += words - known;
        if words > 0 {
            self.known.add(&bins.known, Some(known as f64 / words as f64));
        }
    }

    /// Share of words that the reference does not have; `None` without words.
    pub fn unknown_share(&self) -> Option<f64> {
        (self.words > 0).then(|| self.unknown_words as f64 / self.words as f64)
    }

    /// Adds the rows of another sketch. Returns `false` if the bins differ.
    #[must_use]
    pub fn merge(&mut self, other: &Self) -> bool {
        let is_alike = self.length.counts.len() == other.length.counts.len()
            && self.known.counts.len() == other.known.counts.len();
        if !is_alike {
            return false;
        }
        self.words = self.words.saturating_add(other.words);
        self.unknown_words = self.unknown_words.saturating_add(other.unknown_words);
        self.length.merge(&other.length) && self.known.merge(&other.known)
    }

    pub(super) fn is_valid(&self) -> bool {
        self.length.is_valid() && self.known.is_valid() && self.unknown_words <= self.words
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_reference_are_known() {
        let bins = TextBins {
            length: vec![0.0, 10.0, 20.0],
            known: vec![0.0, 0.5, 1.0],
            words: ["free", "prize"].map(str::to_owned).into(),
        };
        let mut sketch = TextSketch::new(&bins);
        sketch.add(&bins, Some("FREE prize, ünseen"));
        sketch.add(&bins, Some("..."));
        sketch.add(&bins, None);
        assert_eq!((sketch.words, sketch.unknown_words), (3, 1));
        assert_eq!((sketch.length.counts.as_slice(), sketch.length.missing), (&[1, 1][..], 1));
        assert_eq!(sketch.known.counts, [0, 1]);
        sketch.add(&bins, Some(&"ü".repeat(READ_BYTES)));
        assert_eq!((sketch.words, sketch.length.above), (4, 1));
        assert!(sketch.is_valid());
    }
}
