//! Distribution of texts.

use serde::{Deserialize, Serialize};

use super::{CategoryReference, NumberReference};

/// Lengths and words of texts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextReference {
    /// Numbers of characters.
    pub length: NumberReference,
    /// Share of the words of each text that are among `words`, of a sample of texts that have words.
    #[serde(default)]
    pub known_share: NumberReference,
    /// Most frequent words in lower case with their counts; `other` counts all other words. Without words for private data.
    pub words: CategoryReference,
    /// Words of a sample of texts in their order, by their places in `words`; none for private data.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contents: Vec<Vec<u32>>,
}

impl TextReference {
    /// Words of a text: its runs of letters and digits, in lower case.
    pub fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
        let words = text.split(|letter: char| !letter.is_alphanumeric());
        words.filter(|word| !word.is_empty()).map(str::to_lowercase)
    }

    /// The error is the reason.
    pub(super) fn check(&self, count: u64) -> Result<(), &'static str> {
        self.length.check(count)?;
        self.known_share.check(count)?;
        self.words.check()?;
        if self.contents.len() as u64 > count {
            return Err("more texts than values");
        }
        let known = self.words.values.len();
        if self.contents.iter().flatten().any(|word| *word as usize >= known) {
            return Err("a text has a word that is not among the words");
        }
        Ok(())
    }
}
