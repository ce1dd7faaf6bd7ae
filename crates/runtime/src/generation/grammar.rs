//! Constrained decoding: texts that have to be JSON, or JSON of a schema.
//!
//! llguidance gives the tokens that may come next; the logits of all others are masked (Willard and Louf 2023,
//! "Efficient Guided Generation for Large Language Models").

mod limits;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, OnceLock};

use cupola_prep::FittedTokenizer;
use llguidance::api::TopLevelGrammar;
use llguidance::toktrie::{ApproximateTokEnv, SimpleVob, TokEnv, TokRxInfo, TokTrie};
use llguidance::{GrammarBuilder, JsonCompileOptions, Matcher, ParserFactory};
use serde_json::{Value, json};

use self::limits::{check_sizes, parser_limits};
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
    /// [`Error::Grammar`] for an invalid or too large schema, and, if a text has to follow it, for keywords that are not
    /// supported.
    pub fn check_schema(schema: &Value, followed: bool) -> Result<(), Error> {
        Self::check_sizes([schema])?;
        let builder = GrammarBuilder::new(None, parser_limits());
        let options = JsonCompileOptions { lenient: !followed, ..JsonCompileOptions::default() };
        caught(|| {
            let compiled = options.json_to_llg(builder, schema.clone());
            compiled.map(drop).map_err(|error| invalid(&error))
        })
    }

    /// Checks the sizes of the schemas of a request, all of them together, without compiling them.
    ///
    /// # Errors
    /// [`Error::Grammar`] with the limit that is exceeded.
    pub fn check_sizes<'a>(schemas: impl IntoIterator<Item = &'a Value>) -> Result<(), Error> {
        check_sizes(schemas)
    }

    fn check_own_sizes(&self) -> Result<(), Error> {
        match self {
            Self::JsonObject => Ok(()),
            Self::JsonSchema(schema) => check_sizes([schema]),
            Self::FunctionCall(functions) => {
                check_sizes(functions.iter().map(|function| &function.parameters))
            }
        }
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
    /// Compiles a grammar for any number of texts. Every call has to pass the model's own tokenizer.
    ///
    /// # Errors
    /// [`Error::Grammar`] for a tokenizer whose tokens are words, and for an invalid or too large schema.
    pub fn compile(&self, tokenizer: &FittedTokenizer, grammar: &Grammar) -> Result<CompiledGrammar, Error> {
        grammar.check_own_sizes()?;
        let factory = self.0.get_or_init(|| factory(tokenizer)).as_ref().map_err(invalid)?;
        caught(|| {
            let matcher = Matcher::new(factory.create_parser(grammar.compile()?));
            let mut state = GrammarState(matcher);
            // A grammar that this vocabulary can't begin is rejected before anything is generated.
            state.next_mask().map(|_| CompiledGrammar(state.0))
        })
    }
}

/// A grammar that was compiled for a model's vocabulary, at the beginning of its texts.
pub struct CompiledGrammar(Matcher);

impl Debug for CompiledGrammar {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("CompiledGrammar").finish_non_exhaustive()
    }
}

impl CompiledGrammar {
    /// Begins a text. Texts of one grammar share the states of its lexer.
    pub(crate) fn begin(&self) -> GrammarState {
        GrammarState(self.0.clone())
    }
}

/// Result of a compiler whose panics are errors of the schema.
fn caught<T>(compile: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(compile))
        .unwrap_or_else(|_| Err(invalid(&"the schema can't be compiled")))
}

fn invalid(why: &impl ToString) -> Error {
    let why = why.to_string();
    // llguidance appends its whole state, or a backtrace, to some messages.
    let marks = ["<state>", "<non-verbose/>", "\n<backtrace>"];
    let end = marks.iter().filter_map(|mark| why.find(mark)).min().unwrap_or(why.len());
    let why = why[..end].trim();
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
    *factory.limits_mut() = parser_limits();
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
