//! Bodies of completions and chats.

use std::collections::BTreeMap;

use cupola_runtime::{GenerationParams, Grammar, LogitsProcessor, Prompt, PromptMessage, Sampling};
use cupola_serving::access::Caller;
use serde::Deserialize;
use serde_json::Value;

use super::TextOrList;
use crate::error::ApiError;

const DEFAULT_MAX_TOKENS: u64 = 128;
/// Choices of a request.
const MAX_CHOICES: usize = 32;
/// Tokens whose logits a request may bias.
const MAX_BIASES: usize = 1_024;
/// Most likely tokens whose log-probabilities a request may ask for.
const MAX_TOP_LOGPROBS: usize = 20;
/// Stop texts of a request.
const MAX_STOPS: usize = 4;

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
}

/// Body of `POST /v1/completions` and `POST /v1/chat/completions`.
#[derive(Deserialize)]
pub(super) struct CompletionBody {
    pub model: String,
    #[serde(default)]
    prompt: Option<TextOrList>,
    #[serde(default)]
    messages: Option<Vec<ChatMessage>>,
    #[serde(default)]
    max_tokens: Option<u64>,
    #[serde(default)]
    max_completion_tokens: Option<u64>,
    #[serde(default)]
    temperature: Option<f64>,
    #[serde(default)]
    top_p: Option<f64>,
    #[serde(default)]
    frequency_penalty: Option<f64>,
    #[serde(default)]
    presence_penalty: Option<f64>,
    #[serde(default)]
    logit_bias: Option<BTreeMap<String, f64>>,
    #[serde(default)]
    logprobs: Option<Logprobs>,
    #[serde(default)]
    top_logprobs: Option<usize>,
    #[serde(default)]
    n: Option<usize>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    stop: Option<TextOrList>,
    #[serde(default)]
    pub stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
    #[serde(default)]
    echo: Option<bool>,
    #[serde(default)]
    suffix: Option<String>,
    #[serde(default)]
    best_of: Option<usize>,
    #[serde(default)]
    tools: Option<Vec<Value>>,
    #[serde(default)]
    response_format: Option<ResponseFormat>,
}

/// A boolean for chats, a count for completions.
#[derive(Deserialize)]
#[serde(untagged)]
enum Logprobs {
    Enabled(bool),
    Top(usize),
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ResponseFormat {
    Text,
    JsonObject,
    JsonSchema { json_schema: JsonSchema },
}

/// `name` and `strict` have no effect: generated text always follows the schema.
#[derive(Deserialize)]
struct JsonSchema {
    schema: Option<Value>,
}

impl ResponseFormat {
    fn grammar(&self) -> Option<Grammar> {
        match self {
            Self::Text => None,
            Self::JsonObject => Some(Grammar::JsonObject),
            Self::JsonSchema { json_schema } => {
                Some(json_schema.schema.clone().map_or(Grammar::JsonObject, Grammar::JsonSchema))
            }
        }
    }
}

#[derive(Deserialize)]
struct ChatMessage {
    role: String,
    #[serde(default)]
    content: Option<MessageContent>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum MessageContent {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
struct ContentPart {
    #[serde(default)]
    text: String,
}

impl MessageContent {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(|part| part.text.as_str()).collect(),
        }
    }
}

impl CompletionBody {
    /// `true` if the last event of a stream has the token counts.
    pub fn include_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// Prompt and parameters of each choice: `n` for each prompt.
    pub fn sequences(
        &self,
        kind: CompletionKind,
        caller: &Caller,
    ) -> Result<Vec<(Prompt, GenerationParams)>, ApiError> {
        self.check_supported()?;
        let (prompts, parameters) = (self.prompts(kind)?, self.parameters(caller)?);
        let each = self.n.unwrap_or(1);
        if each == 0 || each.saturating_mul(prompts.len()) > MAX_CHOICES {
            let message = format!("a request may have 1 to {MAX_CHOICES} choices");
            return Err(ApiError::invalid_value(message, "n"));
        }
        let mut sequences = Vec::new();
        for prompt in prompts {
            for _ in 0..each {
                let mut parameters = parameters.clone();
                let seed = &mut parameters.sampling.seed;
                *seed = seed.wrapping_add(sequences.len() as u64);
                sequences.push((prompt.clone(), parameters));
            }
        }
        Ok(sequences)
    }

    /// Refuses what this server does not do: a response without it would look like one that has it.
    fn check_supported(&self) -> Result<(), ApiError> {
        let unsupported = [
            (self.echo == Some(true), "echo"),
            (self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()), "suffix"),
            (self.best_of.is_some_and(|best| best != self.n.unwrap_or(1)), "best_of"),
            (self.tools.as_ref().is_some_and(|tools| !tools.is_empty()), "tools"),
        ];
        match unsupported.into_iter().find(|(given, _)| *given) {
            None => Ok(()),
            Some((_, name)) => {
                Err(ApiError::invalid_value(format!("`{name}` is not supported; omit it"), name))
            }
        }
    }

    fn parameters(&self, caller: &Caller) -> Result<GenerationParams, ApiError> {
        let tokens = self.max_completion_tokens.or(self.max_tokens).unwrap_or(DEFAULT_MAX_TOKENS);
        if !(1..=1 << 20).contains(&tokens) {
            let message = "`max_tokens` must be between 1 and 1048576";
            return Err(ApiError::invalid_value(message, "max_tokens"));
        }
        // Without a seed, each request samples differently.
        let seed = self.seed.map_or_else(
            || u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default(),
            i64::unsigned_abs,
        );
        Ok(GenerationParams {
            max_tokens: tokens,
            sampling: Sampling {
                temperature: within(self.temperature.unwrap_or(1.0), 0.0, 2.0, "temperature")?,
                top_k: 0,
                top_p: within(self.top_p.unwrap_or(1.0), 0.0, 1.0, "top_p")?,
                seed,
            },
            logits: LogitsProcessor {
                frequency: within(self.frequency_penalty.unwrap_or(0.0), -2.0, 2.0, "frequency_penalty")?,
                presence: within(self.presence_penalty.unwrap_or(0.0), -2.0, 2.0, "presence_penalty")?,
                bias: self.bias()?,
                ..LogitsProcessor::default()
            },
            logprobs: self.logprobs()?,
            grammar: self.response_format.as_ref().and_then(ResponseFormat::grammar),
            stop: self.stop()?,
            owner: caller.id().to_owned(),
        })
    }

    fn stop(&self) -> Result<Vec<String>, ApiError> {
        match &self.stop {
            None => Ok(Vec::new()),
            Some(TextOrList::One(text)) => Ok(vec![text.clone()]),
            Some(TextOrList::Many(texts)) if texts.len() <= MAX_STOPS => Ok(texts.clone()),
            Some(TextOrList::Many(_)) => {
                Err(ApiError::invalid_value(format!("`stop` may have at most {MAX_STOPS} texts"), "stop"))
            }
        }
    }

    fn bias(&self) -> Result<Vec<(u32, f64)>, ApiError> {
        let bias = self.logit_bias.iter().flatten();
        let bias: Option<Vec<(u32, f64)>> = bias
            .map(|(token, value)| {
                let token = token.parse().ok()?;
                (-100.0..=100.0).contains(value).then_some((token, *value))
            })
            .collect();
        bias.filter(|bias| bias.len() <= MAX_BIASES).ok_or_else(|| {
            let message =
                format!("`logit_bias` must map up to {MAX_BIASES} token ids to numbers between -100 and 100");
            ApiError::invalid_value(message, "logit_bias")
        })
    }

    /// Most likely tokens to report with each token; `None` without log-probabilities.
    fn logprobs(&self) -> Result<Option<usize>, ApiError> {
        let top = match self.logprobs {
            None | Some(Logprobs::Enabled(false)) => None,
            Some(Logprobs::Enabled(true)) => Some(self.top_logprobs.unwrap_or(0)),
            Some(Logprobs::Top(top)) => Some(top),
        };
        if top.is_some_and(|top| top > MAX_TOP_LOGPROBS) {
            let message = format!("at most {MAX_TOP_LOGPROBS} log-probabilities per token are supported");
            return Err(ApiError::invalid_value(message, "logprobs"));
        }
        Ok(top)
    }

    fn prompts(&self, kind: CompletionKind) -> Result<Vec<Prompt>, ApiError> {
        if kind == CompletionKind::Text {
            return Ok(match &self.prompt {
                Some(TextOrList::One(text)) => vec![Prompt::Text(text.clone())],
                Some(TextOrList::Many(texts)) => texts.iter().cloned().map(Prompt::Text).collect(),
                None => vec![Prompt::Text(String::new())],
            });
        }
        let messages = self.messages.as_deref().unwrap_or_default();
        if messages.is_empty() {
            return Err(ApiError::invalid_value(
                "`messages` is empty; send at least one message",
                "messages",
            ));
        }
        let messages = messages.iter().map(|message| {
            let content = message.content.as_ref().map(MessageContent::text).unwrap_or_default();
            PromptMessage { role: message.role.clone(), content }
        });
        Ok(vec![Prompt::Messages(messages.collect())])
    }
}

fn within(value: f64, min: f64, max: f64, name: &str) -> Result<f64, ApiError> {
    if (min..=max).contains(&value) {
        return Ok(value);
    }
    Err(ApiError::invalid_value(format!("`{name}` must be between {min} and {max}"), name))
}
