//! Bodies of completions and chats.

use cupola_budget::Budget;
use cupola_runtime::{ChatPrompt, Error, GenerationParams, LoadedPackage, Prompt, Sequence, SequenceOptions};
use serde::Deserialize;
use serde_json::Value;

use super::fields::Fields;
use super::input::TextInput;
use super::messages;
use super::params::generation_params;
use super::tool_calls::CallFormat;
use super::tools::{Tools, invalid_schema};
use crate::error::ApiError;

/// Choices of a request.
const MAX_CHOICES: usize = 32;
/// Log-probabilities of the prompts of a request.
const MAX_PROMPT_LOGPROBS: usize = 1 << 20;
/// Fields without an equivalent here, and the remedy.
const REFUSED: [(&str, &str); 15] = [
    ("audio", "omit it"),
    ("suffix", "omit it"),
    ("web_search_options", "omit it"),
    ("moderation", "omit it"),
    ("structured_outputs", "send `response_format`"),
    ("guided_json", "send `response_format`"),
    ("guided_choice", "send a `response_format` with an enum"),
    ("guided_regex", "send a `response_format` with a pattern"),
    ("guided_grammar", "send `response_format`"),
    ("use_beam_search", "omit it"),
    ("min_p", "send `top_p`"),
    ("min_tokens", "omit it"),
    ("ignore_eos", "omit it"),
    ("prompt_logprobs", "send `echo` and `logprobs` to `/v1/completions`"),
    ("chat_template", "the model's own is applied"),
];

/// Kind of a request for generated text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CompletionKind {
    Text,
    Chat,
}

impl CompletionKind {
    /// Operation name of the `OpenTelemetry` conventions.
    pub fn operation(self) -> &'static str {
        match self {
            Self::Text => "text_completion",
            Self::Chat => "chat",
        }
    }

    fn is_chat(self) -> bool {
        self == Self::Chat
    }

    /// Field of the prompt.
    fn prompt(self) -> &'static str {
        match self {
            Self::Text => "prompt",
            Self::Chat => "messages",
        }
    }
}

/// Body of `POST /v1/completions` and `POST /v1/chat/completions`.
pub(super) struct CompletionBody {
    /// Name of the model as the client wrote it.
    pub model: String,
    pub kind: CompletionKind,
    pub stream: bool,
    /// `true` if the last event of a stream has the token counts.
    pub include_usage: bool,
    /// Choices of each prompt.
    pub choices: usize,
    prompts: Vec<Prompt>,
    params: GenerationParams,
    tools: Tools,
}

#[derive(Deserialize, Default)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

impl CompletionBody {
    /// Reads the fields of a body, except for its model. Unknown fields are ignored, because clients send many.
    pub fn parse(
        kind: CompletionKind,
        model: String,
        mut fields: Fields,
        budget: &Budget,
    ) -> Result<Self, ApiError> {
        for (name, remedy) in REFUSED {
            fields.refuse(name, remedy)?;
        }
        let modalities: Vec<String> = fields.take("modalities")?.unwrap_or_default();
        if let Some(other) = modalities.iter().find(|modality| *modality != "text") {
            return Err(fields.invalid("modalities", &format!("`{other}` is not supported; send [\"text\"]")));
        }
        let choices = fields.take("n")?.unwrap_or(1);
        if fields.take("best_of")?.is_some_and(|best: usize| best != choices) {
            return Err(fields.invalid("best_of", &"only the value of `n` is supported; omit it"));
        }
        let tools = if kind.is_chat() { Tools::take(&mut fields, budget)? } else { Tools::default() };
        let params = generation_params(kind.is_chat(), &mut fields, tools.grammar())?;
        let prompts = prompts(kind, &mut fields, &tools)?;
        if choices == 0 || choices.saturating_mul(prompts.len()) > MAX_CHOICES {
            let message = format!("a request may have 1 to {MAX_CHOICES} choices");
            let field = if (1..=MAX_CHOICES).contains(&choices) { "prompt" } else { "n" };
            return Err(ApiError::invalid_value(message, field));
        }
        let options: StreamOptions = fields.take("stream_options")?.unwrap_or_default();
        Ok(Self {
            model,
            kind,
            stream: fields.take("stream")?.unwrap_or(false),
            include_usage: options.include_usage,
            choices,
            prompts,
            params,
            tools,
        })
    }

    /// Format of calls of tools in the generated text.
    pub fn call_format(&self) -> CallFormat {
        self.tools.format()
    }

    /// Begins the sequences: the choices of each prompt. The grammar is compiled and each prompt is encoded once.
    pub fn begin(
        &self,
        model: &LoadedPackage,
        owner: &str,
        budget: &Budget,
    ) -> Result<Vec<Sequence>, ApiError> {
        if model.is_language_model() {
            let biased = self.params.logits.bias.iter().map(|(token, _)| *token);
            let checked = model.check_tokens(biased);
            checked.map_err(|error| ApiError::invalid_value(error.to_string(), "logit_bias"))?;
        }
        let mut params = self.params.clone();
        owner.clone_into(&mut params.owner);
        let grammar = params.grammar.as_ref().map(|grammar| model.compile_grammar(grammar));
        let grammar = grammar.transpose().map_err(|error| self.invalid(&error))?;
        let options = SequenceOptions { count: self.choices, grammar: grammar.as_ref(), budget };
        let mut sequences: Vec<Sequence> = Vec::new();
        let mut scored = 0;
        for prompt in &self.prompts {
            budget.check()?;
            params.sampling.seed = self.params.sampling.seed.wrapping_add(sequences.len() as u64);
            let begun = model.begin_sequences(prompt, &params, &options);
            let begun = begun.map_err(|error| self.invalid(&error))?;
            let tokens: usize = begun.iter().map(|sequence| sequence.prompt_tokens).sum();
            scored += tokens * (self.params.logprobs.unwrap_or(0) + 1);
            sequences.extend(begun);
        }
        if self.params.echo && self.params.logprobs.is_some() && scored > MAX_PROMPT_LOGPROBS {
            let message = format!(
                "the prompts have {scored} log-probabilities, at most {MAX_PROMPT_LOGPROBS} are supported; \
                 send shorter prompts or a lower `logprobs`"
            );
            return Err(ApiError::invalid_value(message, "logprobs"));
        }
        Ok(sequences)
    }

    /// Error about the field that a model does not accept.
    fn invalid(&self, error: &Error) -> ApiError {
        let field = self.kind.prompt();
        if let Some(exceeded) = error.exceeded() {
            return exceeded.into();
        }
        match error {
            Error::ContextLength { context, found, .. } => self.too_long(*context, *found),
            Error::Chat { .. } | Error::Tokens { .. } | Error::UnknownToken { .. } => {
                ApiError::invalid_value(error.to_string(), field)
            }
            Error::Grammar { .. } => match self.tools.schema_field() {
                Some(field) => invalid_schema(error, &field),
                None => ApiError::invalid_value(error.to_string(), "response_format"),
            },
            error => {
                ApiError::invalid_value(format!("`{}` does not generate text: {error}", self.model), "model")
            }
        }
    }

    /// Error in the words of `OpenAI`'s API, which clients search for.
    fn too_long(&self, context: usize, found: usize) -> ApiError {
        let message = match self.kind {
            CompletionKind::Chat => format!(
                "This model's maximum context length is {context} tokens. However, your messages resulted in {found} \
                 tokens, and at least one token has to be generated. Please reduce the length of the messages, or send \
                 `truncate`."
            ),
            CompletionKind::Text => {
                let completion = self.params.max_tokens.min(1);
                let requested = found as u64 + completion;
                format!(
                    "This model's maximum context length is {context} tokens, however you requested {requested} tokens \
                     ({found} in your prompt; at least {completion} for the completion). Please reduce your prompt; or \
                     completion length, or send `truncate`."
                )
            }
        };
        ApiError::context_length_exceeded(message, self.kind.prompt())
    }
}

fn prompts(kind: CompletionKind, fields: &mut Fields, tools: &Tools) -> Result<Vec<Prompt>, ApiError> {
    match kind {
        CompletionKind::Text => Ok(match fields.take::<Value>("prompt")? {
            // The beginning of a text.
            None => vec![Prompt::Text(String::new())],
            Some(prompt) => match TextInput::parse(prompt, "prompt")? {
                TextInput::Texts(texts) => texts.into_iter().map(Prompt::Text).collect(),
                TextInput::Tokens(texts) => texts.into_iter().map(Prompt::Tokens).collect(),
            },
        }),
        CompletionKind::Chat => {
            let messages = messages::parse(fields.take("messages")?.unwrap_or_default())?;
            Ok(vec![Prompt::Chat(ChatPrompt { messages, tools: tools.declared().to_vec() })])
        }
    }
}

#[cfg(test)]
mod tests {
    use cupola_runtime::Grammar;
    use serde_json::json;

    use super::*;

    fn parsed(kind: CompletionKind, mut more: Value) -> Result<CompletionBody, String> {
        let messages = json!([{ "role": "user", "content": "a" }]);
        more.as_object_mut().unwrap().entry("messages").or_insert(messages);
        let fields = Fields::parse(more.to_string().as_bytes()).unwrap();
        CompletionBody::parse(kind, "m".to_owned(), fields, &Budget::unlimited())
            .map_err(|error| error.field.unwrap_or_default())
    }

    #[test]
    fn null_equals_absence_for_every_field_of_the_clients() {
        const CHAT: &str = "audio frequency_penalty function_call functions logit_bias logprobs \
            max_completion_tokens max_tokens metadata modalities moderation n parallel_tool_calls prediction \
            presence_penalty prompt_cache_key prompt_cache_options prompt_cache_retention reasoning_effort \
            response_format safety_identifier seed service_tier stop store stream stream_options temperature \
            tool_choice tools top_logprobs top_p user verbosity web_search_options truncate";
        const TEXT: &str = "prompt best_of echo frequency_penalty logit_bias logprobs max_tokens n \
            presence_penalty seed stop stream stream_options suffix temperature top_p user";
        for (kind, names) in [(CompletionKind::Chat, CHAT), (CompletionKind::Text, TEXT)] {
            let mut plain = parsed(kind, json!({ "seed": 1 })).unwrap();
            plain.params.sampling.seed = 0;
            for name in names.split_whitespace() {
                let mut body =
                    parsed(kind, json!({ name: null })).unwrap_or_else(|why| panic!("{name}: {why}"));
                body.params.sampling.seed = 0;
                assert_eq!((&body.params, &body.prompts), (&plain.params, &plain.prompts), "{name}");
                assert_eq!((body.stream, body.choices), (false, 1));
            }
        }
        let nested = json!({ "stream_options": { "include_usage": null, "include_obfuscation": null },
            "response_format": { "type": "json_schema", "json_schema": { "name": "a", "schema": null, "strict": null } } });
        let body = parsed(CompletionKind::Chat, nested).unwrap();
        assert_eq!((body.include_usage, body.params.grammar), (false, Some(Grammar::JsonObject)));
    }

    #[test]
    fn options_of_other_servers_have_their_effect() {
        let more = json!({ "top_k": 5, "repetition_penalty": 1.2, "min_p": 0, "ignore_eos": false });
        let params = parsed(CompletionKind::Chat, more).unwrap().params;
        assert_eq!((params.sampling.top_k, params.logits.repetition), (5, Some(1.2)));
        assert!(!params.omitted.top_k);
        let params = parsed(CompletionKind::Chat, json!({ "top_k": -1 })).unwrap().params;
        assert_eq!((params.sampling.top_k, params.omitted.top_k, params.logits.repetition), (0, false, None));
    }

    #[test]
    fn fields_without_an_effect_are_accepted() {
        let harmless = json!({ "user": "u", "metadata": { "a": "b" }, "store": true, "service_tier": "auto", "seed": -3,
            "parallel_tool_calls": false, "reasoning_effort": "low", "prediction": { "type": "content", "content": "a" },
            "prompt_cache_key": "k", "safety_identifier": "s", "verbosity": "low", "modalities": ["text"],
            "unheard_of": 1, "suffix": "", "echo": false, "tools": [], "functions": [], "audio": null });
        assert!(parsed(CompletionKind::Chat, harmless).is_ok());
    }

    #[test]
    fn fields_that_are_not_served_are_named() {
        for (more, field) in [
            (json!({ "modalities": ["text", "audio"] }), "modalities"),
            (json!({ "audio": { "voice": "alloy", "format": "wav" } }), "audio"),
            (json!({ "functions": [{ "name": "f" }] }), "functions"),
            (json!({ "function_call": { "name": "f" } }), "function_call"),
            (json!({ "web_search_options": {} }), "web_search_options"),
            (json!({ "guided_json": {} }), "guided_json"),
            (json!({ "suffix": "a" }), "suffix"),
            (json!({ "min_p": 0.1 }), "min_p"),
            (json!({ "min_tokens": 4 }), "min_tokens"),
            (json!({ "ignore_eos": true }), "ignore_eos"),
            (json!({ "top_k": -2 }), "top_k"),
            (json!({ "top_k": 1.5 }), "top_k"),
            (json!({ "repetition_penalty": 0 }), "repetition_penalty"),
            (json!({ "echo": true }), "echo"),
            (json!({ "best_of": 2 }), "best_of"),
            (json!({ "n": 33 }), "n"),
            (json!({ "n": 0 }), "n"),
            (json!({ "n": 1.5 }), "n"),
            (json!({ "logit_bias": { "1": 101 } }), "logit_bias"),
            (json!({ "logit_bias": { "x": 1 } }), "logit_bias"),
            (json!({ "logprobs": 2 }), "logprobs"),
            (json!({ "top_logprobs": 2 }), "top_logprobs"),
            (json!({ "logprobs": true, "top_logprobs": 21 }), "top_logprobs"),
            (json!({ "max_completion_tokens": 0 }), "max_completion_tokens"),
            (json!({ "max_tokens": -1 }), "max_tokens"),
            (json!({ "temperature": "hot" }), "temperature"),
            (json!({ "stop": [1] }), "stop"),
            (json!({ "stop": ["a", "b", "c", "d", "e"] }), "stop"),
            (json!({ "stream": "yes" }), "stream"),
            (json!({ "response_format": { "type": "xml" } }), "response_format"),
            (json!({ "messages": [] }), "messages"),
            (json!({ "messages": null }), "messages"),
            (json!({ "messages": "a" }), "messages"),
        ] {
            assert_eq!(parsed(CompletionKind::Chat, more.clone()).map(|_| ()).unwrap_err(), field, "{more}");
        }
        for (more, field) in [
            (json!({ "prompt": [] }), "prompt"),
            (json!({ "prompt": vec!["a"; 33] }), "prompt"),
            (json!({ "prompt": [1, 2.5] }), "prompt[1]"),
            (json!({ "max_tokens": 0 }), "max_tokens"),
            (json!({ "logprobs": true }), "logprobs"),
        ] {
            assert_eq!(parsed(CompletionKind::Text, more.clone()).map(|_| ()).unwrap_err(), field, "{more}");
        }
        assert!(parsed(CompletionKind::Text, json!({ "max_tokens": 0, "echo": true })).is_ok());
    }
    #[test]
    fn mutated_bodies_break_no_parser() {
        let seeds: [&[u8]; 3] = [
            br#"{"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}, {"role": "assistant",
                "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f",
                "arguments": "{}"}}]}], "n": 2, "logprobs": true, "top_logprobs": 3, "stop": ["a"], "stream": null}"#,
            br#"{"messages": [{"role": "tool", "tool_call_id": "c", "content": "a"}], "tools": [{"type": "function",
                "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {"const": null}}}}}],
                "tool_choice": {"type": "function", "function": {"name": "f"}}, "truncate": 5}"#,
            br#"{"prompt": [[1, 2], [3]], "echo": true, "max_tokens": 0, "logit_bias": {"5": -1.5}, "temperature": 0.5,
                "response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "array"}}}}"#,
        ];
        cupola_testkit::fuzz(&seeds, |body| {
            for kind in [CompletionKind::Chat, CompletionKind::Text] {
                let Ok(fields) = Fields::parse(body) else { continue };
                if let Ok(body) = CompletionBody::parse(kind, "m".to_owned(), fields, &Budget::unlimited()) {
                    assert!((1..=32).contains(&(body.choices * body.prompts.len())));
                }
            }
        });
    }
}
