//! Distribution of texts.

use serde::{Deserialize, Serialize};

use super::{CategoryReference, NumberReference};

/// Lengths and words of texts.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TextReference {
    /// Numbers of characters.
    pub length: NumberReference,
    /// Most frequent words in lower case with their counts; `other` counts all other words. Without words for private data.
    pub words: CategoryReference,
}

impl TextReference {
    /// Words of a text: its runs of letters and digits, in lower case.
    pub fn words_of(text: &str) -> impl Iterator<Item = String> + '_ {
        let words = text.split(|letter: char| !letter.is_alphanumeric());
        words.filter(|word| !word.is_empty()).map(str::to_lowercase)
    }

    /// The error is the reason.
    pub(super) fn check(&self) -> Result<(), &'static str> {
        self.length.check()?;
        self.words.check()
    }
}
