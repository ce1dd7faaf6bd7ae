//! What a request for texts may say, and what is wrong with it.

use std::collections::BTreeMap;

use cupola_runtime::{Format, Message, Prompt, Sampling, Steering, Wanted};
use serde::Deserialize;
use serde_json::Value;

use super::talk::Shape;
use super::{Texts, bad};
use crate::answer::Refusal;
use crate::keys::Caller;

/// Tokens where none are asked for.
const TOKENS: u64 = 128;
/// Texts of a request.
const TEXTS: usize = 32;
/// Tokens whose logits a request may shift.
const BIASES: usize = 1_024;

/// `POST /v1/completions` and `/v1/chat/completions`.
#[derive(Deserialize)]
pub(super) struct Body {
    pub model: String,
    #[serde(default)]
    prompt: Option<Texts>,
    #[serde(default)]
    messages: Option<Vec<Said>>,
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
    stop: Option<Texts>,
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

/// Of a chat it is said whether, of a completion how many.
#[derive(Deserialize)]
#[serde(untagged)]
enum Logprobs {
    Told(bool),
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

/// Its `name` and `strict` change nothing: every text follows its schema.
#[derive(Deserialize)]
struct JsonSchema {
    schema: Option<Value>,
}

impl ResponseFormat {
    fn format(&self) -> Option<Format> {
        match self {
            Self::Text => None,
            Self::JsonObject => Some(Format::Object),
            Self::JsonSchema { json_schema } => {
                Some(json_schema.schema.clone().map_or(Format::Object, Format::Schema))
            }
        }
    }
}

#[derive(Deserialize)]
struct Said {
    role: String,
    #[serde(default)]
    content: Option<Content>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<Part>),
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    text: String,
}

impl Content {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts.iter().map(|part| part.text.as_str()).collect(),
        }
    }
}

impl Body {
    /// Whether the last event is to tell how many tokens there were.
    pub fn usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage)
    }

    /// What is to be made: for each prompt as many texts as are wanted of it.
    pub fn texts(&self, shape: Shape, caller: &Caller) -> Result<Vec<(Prompt, Wanted)>, Refusal> {
        self.known()?;
        let (prompts, wanted) = (self.prompts(shape)?, self.wanted(caller)?);
        let each = self.n.unwrap_or(1);
        if each == 0 || each.saturating_mul(prompts.len()) > TEXTS {
            return Err(bad(format!("a request may ask for 1 to {TEXTS} texts"), "n"));
        }
        let mut texts = Vec::new();
        for prompt in prompts {
            for _ in 0..each {
                let mut wanted = wanted.clone();
                wanted.sampling.seed = wanted.sampling.seed.wrapping_add(texts.len() as u64);
                texts.push((prompt.clone(), wanted));
            }
        }
        Ok(texts)
    }

    /// What this server does not do is refused: an answer that leaves it out would look like one that does it.
    fn known(&self) -> Result<(), Refusal> {
        let unknown = [
            (self.echo == Some(true), "echo"),
            (self.suffix.as_ref().is_some_and(|suffix| !suffix.is_empty()), "suffix"),
            (self.best_of.is_some_and(|best| best != self.n.unwrap_or(1)), "best_of"),
            (self.tools.as_ref().is_some_and(|tools| !tools.is_empty()), "tools"),
        ];
        match unknown.into_iter().find(|(asked, _)| *asked) {
            None => Ok(()),
            Some((_, what)) => Err(bad(format!("this server does not do `{what}`; leave it out"), what)),
        }
    }

    fn wanted(&self, caller: &Caller) -> Result<Wanted, Refusal> {
        let within = |value: Option<f64>, usual: f64, least: f64, most: f64, name: &str| {
            let value = value.unwrap_or(usual);
            if (least..=most).contains(&value) {
                return Ok(value);
            }
            Err(bad(format!("`{name}` is between {least} and {most}"), name))
        };
        let temperature = within(self.temperature, 1.0, 0.0, 2.0, "temperature")?;
        let top_p = within(self.top_p, 1.0, 0.0, 1.0, "top_p")?;
        let tokens = self.max_completion_tokens.or(self.max_tokens).unwrap_or(TOKENS);
        if !(1..=1 << 20).contains(&tokens) {
            return Err(bad("`max_tokens` is at least 1", "max_tokens"));
        }
        let stop = match &self.stop {
            None => Vec::new(),
            Some(Texts::One(text)) => vec![text.clone()],
            Some(Texts::Many(texts)) if texts.len() <= 4 => texts.clone(),
            Some(Texts::Many(_)) => return Err(bad("`stop` has four texts at most", "stop")),
        };
        let steering = Steering {
            frequency: within(self.frequency_penalty, 0.0, -2.0, 2.0, "frequency_penalty")?,
            presence: within(self.presence_penalty, 0.0, -2.0, 2.0, "presence_penalty")?,
            bias: self.bias()?,
        };
        // Without a seed each request draws anew.
        let seed = self.seed.map_or_else(
            || u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default(),
            i64::unsigned_abs,
        );
        let sampling = Sampling { temperature, top_k: 0, top_p, seed };
        let logprobs = self.logprobs()?;
        let format = self.response_format.as_ref().and_then(ResponseFormat::format);
        Ok(Wanted { tokens, sampling, steering, logprobs, format, stop, owner: caller.id().to_owned() })
    }

    fn bias(&self) -> Result<Vec<(u32, f64)>, Refusal> {
        let bias = self.logit_bias.iter().flatten();
        let bias: Option<Vec<(u32, f64)>> = bias
            .map(|(token, value)| {
                let token = token.parse().ok()?;
                (-100.0..=100.0).contains(value).then_some((token, *value))
            })
            .collect();
        bias.filter(|bias| bias.len() <= BIASES).ok_or_else(|| {
            let message =
                format!("`logit_bias` has up to {BIASES} ids of tokens, each with a number from -100 to 100");
            bad(message, "logit_bias")
        })
    }

    /// How many of the likeliest tokens are told with each token, if any are.
    fn logprobs(&self) -> Result<Option<usize>, Refusal> {
        let top = match self.logprobs {
            None | Some(Logprobs::Told(false)) => None,
            Some(Logprobs::Told(true)) => Some(self.top_logprobs.unwrap_or(0)),
            Some(Logprobs::Top(top)) => Some(top),
        };
        if top.is_some_and(|top| top > 20) {
            return Err(bad("20 tokens are told beside each at most", "logprobs"));
        }
        Ok(top)
    }

    fn prompts(&self, shape: Shape) -> Result<Vec<Prompt>, Refusal> {
        if shape == Shape::Completion {
            return Ok(match &self.prompt {
                Some(Texts::One(text)) => vec![Prompt::Text(text.clone())],
                Some(Texts::Many(texts)) => texts.iter().cloned().map(Prompt::Text).collect(),
                None => vec![Prompt::Text(String::new())],
            });
        }
        let messages = self.messages.as_deref().unwrap_or_default();
        if messages.is_empty() {
            return Err(bad("`messages` is empty; send at least one", "messages"));
        }
        let each = messages.iter().map(|said| {
            let content = said.content.as_ref().map(Content::text).unwrap_or_default();
            Message { role: said.role.clone(), content }
        });
        Ok(vec![Prompt::Messages(each.collect())])
    }
}
