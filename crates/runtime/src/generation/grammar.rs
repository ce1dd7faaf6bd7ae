//! Constrained decoding: texts that have to be JSON, or JSON of a schema.
//!
//! llguidance gives the tokens that may come next; the logits of all others are masked (Willard and Louf 2023,
//! "Efficient Guided Generation for Large Language Models").

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, OnceLock};

use cupola_prep::FittedTokenizer;
use llguidance::api::{ParserLimits, TopLevelGrammar};
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{GrammarBuilder, JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};

use crate::error::Error;

/// End-of-text token for llguidance: the padding's index, which is no token of the model.
const END: u32 = 0;
/// White space that is allowed between JSON's tokens. Without a limit a weak model could generate white space for ever.
const WHITESPACE: &str = r" |\n {0,24}";

/// Grammar of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Grammar {
    /// A JSON object.
    JsonObject,
    /// A JSON value that is valid under this schema.
    JsonSchema(Value),
    /// A call of one of these functions: [`Grammar::call_prefix`], the arguments, and `}`.
    FunctionCall(Vec<FunctionSchema>),
}

/// A function that a text may call.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionSchema {
    /// Name.
    pub name: String,
    /// JSON Schema of the arguments.
    pub parameters: Value,
}

impl Grammar {
    /// Text before the arguments of a call.
    pub fn call_prefix(name: &str) -> String {
        format!("{{\"name\": {}, \"arguments\": ", Value::from(name))
    }

    /// Checks a schema without a model.
    ///
    /// # Errors
    /// [`Error::Grammar`] for an invalid schema, and, if a text has to follow it, for keywords that are not supported.
    pub fn check_schema(schema: &Value, followed: bool) -> Result<(), Error> {
        let builder = GrammarBuilder::new(None, ParserLimits::default());
        let options = JsonCompileOptions { lenient: !followed, ..JsonCompileOptions::default() };
        let compiled = options.json_to_llg(builder, schema.clone());
        compiled.map(drop).map_err(|error| invalid(&error))
    }

    fn compile(&self) -> Result<TopLevelGrammar, Error> {
        Ok(match self {
            Self::JsonObject => {
                TopLevelGrammar::from_json_schema(with_whitespace(json!({ "type": "object" }))?)
            }
            Self::JsonSchema(Value::Bool(true)) => {
                TopLevelGrammar::from_json_schema(with_whitespace(json!({}))?)
            }
            Self::JsonSchema(schema) => TopLevelGrammar::from_json_schema(with_whitespace(schema.clone())?),
            Self::FunctionCall(functions) => TopLevelGrammar::from_lark(call_rules(functions)?),
        })
    }
}

/// Schema with limited white space.
fn with_whitespace(mut schema: Value) -> Result<Value, Error> {
    let object = schema.as_object_mut().ok_or_else(|| invalid(&"a schema must be a JSON object"))?;
    object.insert("x-guidance".to_owned(), json!({ "whitespace_pattern": WHITESPACE }));
    Ok(schema)
}

/// Rules of a call in Lark's syntax. Each function's schema is a grammar of its own, so references within it hold.
fn call_rules(functions: &[FunctionSchema]) -> Result<String, Error> {
    let calls: Vec<String> = (0..functions.len()).map(|index| format!("call{index}")).collect();
    let mut rules = format!("start: {}\n", calls.join(" | "));
    for (index, function) in functions.iter().enumerate() {
        let prefix = Value::from(Grammar::call_prefix(&function.name));
        let schema = with_whitespace(function.parameters.clone())?;
        let call = format!("call{index}: {prefix} arguments{index} \"}}\"\n");
        let arguments = format!("arguments{index}: %json {schema}\n");
        rules.extend([call, arguments]);
    }
    Ok(rules)
}

/// A model's vocabulary as llguidance needs it, built when the first text has a grammar.
#[derive(Clone, Default)]
pub(crate) struct GrammarVocabulary(Arc<OnceLock<Result<ParserFactory, String>>>);

impl Debug for GrammarVocabulary {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GrammarVocabulary").field(&self.0.get().is_some()).finish()
    }
}

impl GrammarVocabulary {
    /// Begins a text of this grammar. Every call has to pass the model's own tokenizer.
    ///
    /// # Errors
    /// [`Error::Grammar`] for a tokenizer whose tokens are words, and for an invalid schema.
    pub fn begin(&self, tokenizer: &FittedTokenizer, grammar: &Grammar) -> Result<GrammarState, Error> {
        let factory = self.0.get_or_init(|| factory(tokenizer)).as_ref().map_err(invalid)?;
        let matcher = Matcher::new(factory.create_parser(grammar.compile()?));
        let mut state = GrammarState(matcher);
        // A grammar that this vocabulary can't begin is rejected before anything is generated.
        state.next_mask().map(|_| state)
    }
}

fn invalid(why: &impl ToString) -> Error {
    let why = why.to_string();
    // llguidance appends its whole state to some messages.
    let why = why.split("<state>").next().unwrap_or_default().trim();
    let why = if why == "NoExtensionBias" { "no text can satisfy the schema" } else { why };
    Error::Grammar { why: why.to_owned() }
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

/// Position of a text in its grammar.
pub(crate) struct GrammarState(Matcher);

impl Debug for GrammarState {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_tuple("GrammarState").field(&self.0.is_stopped()).finish()
    }
}

impl GrammarState {
    /// Logits in which all tokens that may not come next are minus infinity; `None` if the text is complete and the model
    /// has no token that ends texts.
    ///
    /// # Errors
    /// [`Error::Grammar`] with llguidance's message, for instance that the grammar is too expensive to follow.
    pub fn mask(&mut self, logits: &[f32], end_tokens: &[u32]) -> Result<Option<Vec<f32>>, Error> {
        let mask = self.next_mask()?;
        let ended = mask.is_allowed(END);
        if ended && end_tokens.is_empty() {
            return Ok(None);
        }
        let allowed = |token: usize| token < mask.len() && mask.get(token);
        let mut logits: Vec<f32> = logits.to_vec();
        for (token, logit) in logits.iter_mut().enumerate() {
            let end = ended && end_tokens.iter().any(|end| *end as usize == token);
            if !end && !allowed(token) {
                *logit = f32::NEG_INFINITY;
            }
        }
        Ok(Some(logits))
    }

    /// Tokens that may come next, and [`END`].
    fn next_mask(&mut self) -> Result<SimpleVob, Error> {
        let mask = self.0.compute_mask_or_eos().map_err(|error| invalid(&error))?;
        if self.0.is_stopped() && !self.0.is_accepting().map_err(|error| invalid(&error))? {
            return Err(invalid(&"no token of the model may come next"));
        }
        Ok(mask)
    }

    /// Appends a token; `true` if the text is complete after it.
    ///
    /// # Errors
    /// [`Error::Grammar`] for a token that was not allowed.
    pub fn accept(&mut self, token: u32) -> Result<bool, Error> {
        self.0.consume_token(token).map_err(|error| invalid(&error))?;
        Ok(self.0.is_stopped())
    }
}

#[cfg(test)]
mod tests {
    use cupola_prep::{draw, unit};
    use indexmap::IndexMap;

    use super::*;
    use crate::generation::Sampling;

    /// Tokenizer with a token for each byte, and some tokens of several bytes.
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

    /// Text that random logits give; `None` if it is not complete after 400 tokens.
    #[allow(clippy::cast_possible_truncation)]
    fn generate(tokenizer: &FittedTokenizer, grammar: &Grammar, seed: u64, ends: &[u32]) -> Option<String> {
        let mut state = GrammarVocabulary::default().begin(tokenizer, grammar).unwrap();
        let closing = ["\"", "}", "]", "\"}", "1"].map(|text| tokenizer.encode_bare(text).unwrap()[0]);
        let mut tokens = Vec::new();
        for step in 0..400 {
            let mut logits: Vec<f32> = (0..tokenizer.vocabulary())
                .map(|token| unit(draw(seed, "logits", step, token as u64)) as f32)
                .collect();
            closing.iter().chain(ends).for_each(|token| logits[*token as usize] += 4.0);
            let Some(allowed) = state.mask(&logits, ends).unwrap() else { break };
            let token = Sampling { seed, ..Sampling::default() }.choose(&allowed, step);
            assert!(allowed[token].is_finite());
            let token = u32::try_from(token).unwrap();
            if ends.contains(&token) {
                break;
            }
            tokens.push(token);
            if state.accept(token).unwrap() {
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
        let grammars = [
            Grammar::JsonSchema(person),
            Grammar::JsonSchema(list),
            Grammar::JsonSchema(json!({ "const": "zinc" })),
            Grammar::JsonObject,
        ];
        for grammar in &grammars {
            let schema = if let Grammar::JsonSchema(schema) = grammar {
                schema.clone()
            } else {
                json!({ "type": "object" })
            };
            let valid = jsonschema::validator_for(&schema).unwrap();
            let mut whole = 0;
            for seed in 0..20 {
                // With a token that ends texts, and without.
                let ends: &[u32] = if seed % 2 == 0 { &[200] } else { &[] };
                let Some(text) = generate(&tokenizer, grammar, seed, ends) else { continue };
                let value: Value = match serde_json::from_str(&text) {
                    Ok(value) => value,
                    // 1e999 is JSON, but does not fit 64 bits.
                    Err(why) if why.to_string().contains("out of range") => continue,
                    Err(why) => panic!("{why}: {text}"),
                };
                assert!(valid.is_valid(&value), "{text}");
                whole += 1;
            }
            assert!(whole >= 10, "{grammar:?}: {whole} of 20 whole");
        }
    }

    #[test]
    fn calls_name_a_function_and_have_arguments_of_its_schema() {
        let tokenizer = tokenizer();
        let schema = |value: &str| {
            json!({ "type": "object", "required": ["of"], "additionalProperties": false,
                "properties": { "of": { "$ref": "#/$defs/value" } }, "$defs": { "value": { "enum": [value, 7] } } })
        };
        let function = |name: &str| FunctionSchema { name: name.to_owned(), parameters: schema(name) };
        let grammar = Grammar::FunctionCall(vec![function("melt"), function("cool")]);
        let mut called = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let Some(text) = generate(&tokenizer, &grammar, seed, &[]) else { continue };
            let call: Value = serde_json::from_str(&text).unwrap();
            let name = call["name"].as_str().unwrap().to_owned();
            assert!(text.starts_with(&Grammar::call_prefix(&name)), "{text}");
            assert!(
                jsonschema::validator_for(&schema(&name)).unwrap().is_valid(&call["arguments"]),
                "{text}"
            );
            called.insert(name);
        }
        assert_eq!(called.into_iter().collect::<Vec<_>>(), ["cool", "melt"]);
    }

    #[test]
    fn invalid_schemas_are_rejected() {
        let tokenizer = tokenizer();
        for followed in [false, true] {
            assert!(
                Grammar::check_schema(&json!({ "type": "object", "properties": { "a": {} } }), followed)
                    .is_ok()
            );
            for wrong in [json!(3), json!({ "type": "furnace" }), json!({ "properties": 3 })] {
                assert!(Grammar::check_schema(&wrong, followed).is_err(), "{wrong}");
            }
            let unsupported =
                json!({ "type": "object", "properties": { "a": { "not": { "type": "string" } } } });
            assert_eq!(Grammar::check_schema(&unsupported, followed).is_err(), followed);
        }
        let endless = Grammar::JsonSchema(json!({ "$ref": "#" }));
        let error = GrammarVocabulary::default().begin(&tokenizer, &endless).unwrap_err().to_string();
        assert!(!error.contains("<state>") && !error.contains("NoExtensionBias"), "{error}");
        for wrong in [json!(3), json!({ "type": "furnace" }), json!({ "$ref": "#/nowhere" }), json!(false)] {
            assert!(
                GrammarVocabulary::default().begin(&tokenizer, &Grammar::JsonSchema(wrong.clone())).is_err(),
                "{wrong}"
            );
        }
    }
}
