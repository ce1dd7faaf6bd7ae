//! Texts that have to be JSON, or JSON of a schema: llguidance tells after each token which ones may come next, and
//! the others' logits are left out (Willard and Louf 2023, "Efficient Guided Generation for Large Language Models").

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, OnceLock};

use cupola_prep::FittedTokenizer;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{Matcher, ParserFactory};
use serde_json::{Value, json};

/// Stands for the end of a text: the padding's index, which is no token.
const END: u32 = 0;
/// What may stand between JSON's tokens: a model without much sense would go on with white space for ever.
const BETWEEN: &str = r" |\n {0,24}";

/// What a text has to be.
#[derive(Debug, Clone, PartialEq)]
pub enum Format {
    /// An object of JSON.
    Object,
    /// JSON of this schema.
    Schema(Value),
}

/// What is made of a model's vocabulary once, when the first text is to have a format.
#[derive(Clone, Default)]
pub(crate) struct Vocabulary(Arc<OnceLock<Result<ParserFactory, String>>>);

impl Debug for Vocabulary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Vocabulary").field(&self.0.get().is_some()).finish()
    }
}

impl Vocabulary {
    /// Begins a text of this format; the tokenizer is always the same.
    ///
    /// # Errors
    /// Of a tokenizer whose tokens are words, and of what is no schema.
    pub fn begin(&self, tokenizer: &FittedTokenizer, format: &Format) -> Result<Following, String> {
        let factory = self.0.get_or_init(|| factory(tokenizer)).as_ref().map_err(String::clone)?;
        let mut schema = match format {
            Format::Object => json!({ "type": "object" }),
            Format::Schema(Value::Bool(true)) => json!({}),
            Format::Schema(schema) => schema.clone(),
        };
        let object = schema.as_object_mut().ok_or("a schema is a JSON object")?;
        object.insert("x-guidance".to_owned(), json!({ "whitespace_pattern": BETWEEN }));
        let matcher = Matcher::new(factory.create_parser(TopLevelGrammar::from_json_schema(schema)));
        let mut following = Following(matcher);
        // A format that this vocabulary cannot begin is refused before anything is made.
        following.next().map(|_| following)
    }
}

fn factory(tokenizer: &FittedTokenizer) -> Result<ParserFactory, String> {
    let words = tokenizer.token_bytes().map_err(|error| error.to_string())?;
    let words: Vec<Vec<u8>> = words.into_iter().map(Option::unwrap_or_default).collect();
    let count = u32::try_from(words.len()).map_err(|error| error.to_string())?;
    let trie = TokTrie::from(&TokRxInfo::new(count, END), &words);
    let tokens: TokEnv = Arc::new(ApproximateTokEnv::new(trie));
    let mut factory = ParserFactory::new_simple(&tokens).map_err(|error| error.to_string())?;
    factory.quiet();
    Ok(factory)
}

/// Where a text stands in its format.
pub(crate) struct Following(Matcher);

impl Debug for Following {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Following").field(&self.0.is_stopped()).finish()
    }
}

impl Following {
    /// Logits of the tokens that may come next; of the others they are minus infinity. `None` where the text is
    /// whole, and no token `ends` such texts.
    ///
    /// # Errors
    /// What llguidance says, for instance that the format takes too long to follow.
    pub fn allowed(&mut self, logits: &[f32], ends: &[u32]) -> Result<Option<Vec<f32>>, String> {
        let mask = self.next()?;
        let ended = mask.is_allowed(END);
        if ended && ends.is_empty() {
            return Ok(None);
        }
        let allowed = |token: usize| token < mask.len() && mask.get(token);
        let mut logits: Vec<f32> = logits.to_vec();
        for (token, logit) in logits.iter_mut().enumerate() {
            let end = ended && ends.iter().any(|end| *end as usize == token);
            if !end && !allowed(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(Some(logits))
    }

    /// Tokens that may come next, and [`END`].
    fn next(&mut self) -> Result<SimpleVob, String> {
        let mask = self.0.compute_mask_or_eos().map_err(|error| error.to_string())?;
        if self.0.is_stopped() && !self.0.is_accepting().map_err(|error| error.to_string())? {
            return Err("the model has no token that may come next".to_owned());
        }
        Ok(mask)
    }

    /// Goes on by a token; whether the text can only end after it.
    ///
    /// # Errors
    /// Of a token that was not allowed.
    pub fn took(&mut self, token: u32) -> Result<bool, String> {
        self.0.consume_token(token).map_err(|error| error.to_string())?;
        Ok(self.0.is_stopped())
    }
}

#[cfg(test)]
mod tests {
    use cupola_prep::{draw, unit};
    use indexmap::IndexMap;

    use super::*;
    use crate::sampling::Sampling;

    /// A token for each byte, and some of several.
    fn tokenizer() -> FittedTokenizer {
        let seen = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
        let bytes = (0..256).filter(seen).chain(256..256 + 68).filter_map(char::from_u32).map(String::from);
        let more = ["{\"", "\":", "\",", "\"}", "\u{120}\"", "},", "\u{10a}\u{120}\u{120}", "true", "12"];
        let vocabulary: IndexMap<String, u32> = bytes.chain(more.map(String::from)).zip(0..).collect();
        let json = json!({
            "version": "1.0", "added_tokens": [], "decoder": { "type": "ByteLevel", "add_prefix_space": true,
                "trim_offsets": true, "use_regex": true },
            "model": { "type": "BPE", "vocab": vocabulary, "merges": [] }
        });
        serde_json::from_value(json).unwrap()
    }

    /// What a model that knows nothing makes; `None` where it is not whole after 400 tokens.
    #[allow(clippy::cast_possible_truncation)]
    fn made(tokenizer: &FittedTokenizer, format: &Format, seed: u64, ends: &[u32]) -> Option<String> {
        let mut following = Vocabulary::default().begin(tokenizer, format).unwrap();
        let closing = ["\"", "}", "]", "\"}", "1"].map(|text| tokenizer.encode_bare(text).unwrap()[0]);
        let mut tokens = Vec::new();
        for step in 0..400 {
            let mut logits: Vec<f32> = (0..tokenizer.vocabulary())
                .map(|token| unit(draw(seed, "logits", step, token as u64)) as f32)
                .collect();
            closing.iter().chain(ends).for_each(|token| logits[*token as usize] += 4.0);
            let Some(allowed) = following.allowed(&logits, ends).unwrap() else { break };
            let token = Sampling { seed, ..Sampling::default() }.choose(&allowed, step);
            assert!(allowed[token].is_finite());
            let token = u32::try_from(token).unwrap();
            if ends.contains(&token) {
                break;
            }
            tokens.push(token);
            if following.took(token).unwrap() {
                break;
            }
        }
        (tokens.len() < 400).then(|| tokenizer.decode(&tokens).unwrap())
    }

    #[test]
    fn whatever_the_logits_texts_are_json_of_their_schema() {
        let tokenizer = tokenizer();
        let person = json!({
            "type": "object", "required": ["name", "age"], "additionalProperties": false,
            "properties": {
                "name": { "type": "string", "maxLength": 20 }, "age": { "type": "integer", "minimum": 0, "maximum": 150 },
                "metals": { "type": "array", "items": { "enum": ["iron", "zinc"] }, "maxItems": 3 },
                "next": { "$ref": "#/$defs/none" }
            },
            "$defs": { "none": { "type": ["null", "boolean"] } }
        });
        let list = json!({ "type": "array", "items": { "type": "number", "minimum": -1e6, "maximum": 1e6 }, "minItems": 2, "maxItems": 4 });
        let formats = [
            Format::Schema(person),
            Format::Schema(list),
            Format::Schema(json!({ "const": "zinc" })),
            Format::Object,
        ];
        for format in &formats {
            let schema = if let Format::Schema(schema) = format {
                schema.clone()
            } else {
                json!({ "type": "object" })
            };
            let valid = jsonschema::validator_for(&schema).unwrap();
            let mut whole = 0;
            for seed in 0..20 {
                // With a token that ends texts, and without.
                let ends: &[u32] = if seed % 2 == 0 { &[200] } else { &[] };
                let Some(text) = made(&tokenizer, format, seed, ends) else { continue };
                let value: Value = match serde_json::from_str(&text) {
                    Ok(value) => value,
                    // 1e999 is JSON, but no number of 64 bits.
                    Err(why) if why.to_string().contains("out of range") => continue,
                    Err(why) => panic!("{why}: {text}"),
                };
                assert!(valid.is_valid(&value), "{text}");
                whole += 1;
            }
            assert!(whole >= 10, "{format:?}: {whole} of 20 whole");
        }
    }

    #[test]
    fn what_is_no_schema_is_refused() {
        let tokenizer = tokenizer();
        for wrong in [json!(3), json!({ "type": "furnace" }), json!({ "$ref": "#/nowhere" }), json!(false)] {
            assert!(
                Vocabulary::default().begin(&tokenizer, &Format::Schema(wrong.clone())).is_err(),
                "{wrong}"
            );
        }
    }
}
