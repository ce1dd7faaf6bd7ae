//! Places of tokens in their text.

use std::ops::Range;

use tokenizers::PostProcessor;
use tokenizers::utils::truncation::TruncationDirection;

use super::{FittedTokenizer, tokenizer_error};
use crate::error::Error;

impl FittedTokenizer {
    /// Places in bytes of the tokens that [`Self::encode_within`] makes of `prompt` and `text`, within the text; `None`
    /// for a token that stands for no part of the text, such as a special token or one of the prompt.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] if the tokenizer rejects the text.
    pub fn token_places(
        &self,
        prompt: &str,
        text: &str,
        length: usize,
    ) -> Result<Vec<Option<Range<usize>>>, Error> {
        let whole = format!("{prompt}{text}");
        let mut encoding =
            self.tokenizer.encode(whole.as_str(), false).map_err(|error| tokenizer_error(&error))?;
        let special = self.tokenizer.get_post_processor().map_or(0, |p| p.added_tokens(false));
        encoding.truncate(length.saturating_sub(special), 0, TruncationDirection::Right);
        let encoding =
            self.tokenizer.post_process(encoding, None, true).map_err(|error| tokenizer_error(&error))?;
        let place = |&(start, end): &(usize, usize)| {
            let within = |at: usize| at.saturating_sub(prompt.len()).min(text.len());
            let (start, end) =
                (text.floor_char_boundary(within(start)), text.ceil_char_boundary(within(end)));
            (start < end).then_some(start..end)
        };
        Ok(encoding.get_offsets().iter().take(length).map(place).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words() -> FittedTokenizer {
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "decoder": null,
            "normalizer": { "type": "Lowercase" }, "pre_tokenizer": { "type": "Whitespace" },
            "post_processor": {
                "type": "BertProcessing", "sep": ["[SEP]", 2], "cls": ["[CLS]", 1],
            },
            "model": {
                "type": "WordLevel", "unk_token": "[UNK]",
                "vocab": { "[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "größe": 3, "zählt": 4 },
            },
        });
        FittedTokenizer::try_from(json).unwrap()
    }

    #[test]
    fn tokens_have_the_bytes_that_they_stand_for() {
        let (tokenizer, text) = (words(), "Größe  ZÄHLT nicht");
        let places = tokenizer.token_places("", text, 9).unwrap();
        let parts: Vec<Option<&str>> = places.iter().map(|place| Some(&text[place.clone()?])).collect();
        assert_eq!(parts, [None, Some("Größe"), Some("ZÄHLT"), Some("nicht"), None]);
        assert_eq!(places.len(), tokenizer.encode_within(text, 9).unwrap().len());
        let cut = tokenizer.token_places("", text, 3).unwrap();
        assert_eq!((cut.len(), cut[2].clone()), (3, None));
        let prompted = tokenizer.token_places("größe ", text, 9).unwrap();
        assert_eq!((prompted[1].clone(), prompted[2].clone()), (None, Some(0..7)));
        assert_eq!(tokenizer.token_places("", "", 9).unwrap(), [None, None]);
    }
}
