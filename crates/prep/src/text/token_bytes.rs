//! Bytes that each token of a vocabulary adds to a text.

use std::collections::HashMap;

use serde_json::Value;

use super::FittedTokenizer;
use crate::error::Error;

/// Character for a space in vocabularies of `SentencePiece`.
const SENTENCE_PIECE_SPACE: char = '\u{2581}';

/// Representation of bytes in tokens.
enum TokenSpelling {
    /// One character per byte (Radford et al. 2019, section 2.2).
    Bytes(HashMap<char, u8>),
    /// Text in which this character means a space, and `<0x0A>` a byte (Kudo and Richardson 2018).
    Pieces(char),
    /// Text as it is.
    Plain,
}

impl FittedTokenizer {
    /// Bytes that each token adds to a text, by index; `None` for padding and special tokens.
    ///
    /// # Errors
    /// [`Error::Tokenizer`] for a tokenizer whose tokens do not determine the spaces between words.
    pub fn token_bytes(&self) -> Result<Vec<Option<Vec<u8>>>, Error> {
        let decoder = serde_json::to_value(self.tokenizer.get_decoder()).unwrap_or_default();
        let spelling = TokenSpelling::from_decoder(&decoder)?;
        let added = self.tokenizer.get_added_tokens_decoder();
        let mut bytes = vec![None; self.vocabulary()];
        for (token, id) in self.tokenizer.get_vocab(true) {
            let found = match added.get(&id) {
                Some(added) => (!added.special).then(|| added.content.clone().into_bytes()),
                None => spelling.bytes(&token),
            };
            if let Some(entry) = bytes.get_mut(id as usize + 1) {
                *entry = found;
            }
        }
        Ok(bytes)
    }
}

impl TokenSpelling {
    /// Reads the spelling from the JSON of a decoder.
    fn from_decoder(decoder: &Value) -> Result<Self, Error> {
        let single = std::slice::from_ref(decoder);
        let steps = decoder["decoders"].as_array().map_or(single, Vec::as_slice);
        for step in steps {
            match step["type"].as_str().unwrap_or_default() {
                "ByteLevel" => return Ok(Self::Bytes(byte_characters())),
                "Metaspace" => return Ok(Self::Pieces(space_character(&step["replacement"]))),
                "Replace" if step["content"] == " " => {
                    return Ok(Self::Pieces(space_character(&step["pattern"]["String"])));
                }
                "Fuse" if steps.len() == 1 => return Ok(Self::Plain),
                _ => {}
            }
        }
        let why = "tokens are words, which do not determine the spaces between them; use `bpe` or `char`";
        Err(Error::Tokenizer { why: why.to_owned() })
    }

    /// Bytes of a token; `None` if it is not spelled this way.
    fn bytes(&self, token: &str) -> Option<Vec<u8>> {
        match self {
            Self::Bytes(characters) => token.chars().map(|c| characters.get(&c).copied()).collect(),
            Self::Pieces(space) => Some(match byte_token(token) {
                Some(byte) => vec![byte],
                None => token.replace(*space, " ").into_bytes(),
            }),
            Self::Plain => Some(token.as_bytes().to_vec()),
        }
    }
}

fn space_character(text: &Value) -> char {
    text.as_str().and_then(|text| text.chars().next()).unwrap_or(SENTENCE_PIECE_SPACE)
}

/// The byte of a token such as `<0x0A>`.
fn byte_token(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// Characters of GPT-2 for bytes: printable bytes stand for themselves, the others are U+0100 and following.
fn byte_characters() -> HashMap<char, u8> {
    let printable = |byte: &u8| matches!(byte, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff);
    let own = (0..=u8::MAX).filter(printable).map(|byte| (char::from(byte), byte));
    let others = ('\u{100}'..).zip((0..=u8::MAX).filter(|byte| !printable(byte)));
    own.chain(others).collect()
}

#[cfg(test)]
mod tests {
    use cupola_spec::{Tokens, TokensKind};
    use indexmap::IndexMap;
    use serde_json::json;

    use super::*;
    use crate::frame::{Column, Frame};

    fn spelled(tokenizer: &FittedTokenizer, text: &str) -> Vec<u8> {
        let bytes = tokenizer.token_bytes().unwrap();
        let tokens = tokenizer.encode_bare(text).unwrap();
        tokens.iter().flat_map(|token| bytes[*token as usize].clone().unwrap()).collect()
    }

    #[test]
    fn the_bytes_of_its_tokens_are_the_text() {
        let texts = ["{\"name\": \"Käse\", \"n\": [1, 2.5]}\n", " \u{1f9c0} é\t\u{0}x"];
        let column = Column::Text(texts.map(Some).into_iter().collect());
        let frame = Frame::new(IndexMap::from([("t".to_owned(), column)]));
        let fitted = |kind| {
            let spec = Tokens { kind, vocabulary: 500, length: 50, lowercase: false, file: None };
            FittedTokenizer::fit("t", "t", &spec, &frame).unwrap()
        };
        for kind in [TokensKind::Bpe, TokensKind::Char] {
            let tokenizer = fitted(kind);
            for text in texts {
                assert_eq!(spelled(&tokenizer, text), text.as_bytes(), "{kind:?}");
            }
        }
        assert!(fitted(TokensKind::Word).token_bytes().is_err());
    }

    #[test]
    fn pieces_have_their_spaces_and_special_tokens_no_bytes() {
        let tokenizer: FittedTokenizer = serde_json::from_value(json!({
            "version": "1.0",
            "added_tokens": [{ "id": 0, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
                "normalized": false, "special": true }],
            "decoder": { "type": "Sequence", "decoders": [
                { "type": "Replace", "pattern": { "String": "\u{2581}" }, "content": " " },
                { "type": "ByteFallback" }, { "type": "Fuse" }] },
            "model": { "type": "BPE", "vocab": { "</s>": 0, "\u{2581}a": 1, "<0x0A>": 2, "<0xZZ>": 3 }, "merges": [] }
        }))
        .unwrap();
        let found = tokenizer.token_bytes().unwrap();
        let some = |text: &str| Some(text.as_bytes().to_vec());
        assert_eq!(found, [None, None, some(" a"), some("\n"), some("<0xZZ>")]);
    }
}
