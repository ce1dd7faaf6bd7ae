//! Options of a generated text, as the fields of a body.

use std::ops::RangeInclusive;

use cupola_runtime::{GenerationParams, Grammar, LogitsProcessor, OmittedOptions, Sampling};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::fields::Fields;
use super::input::Truncation;
use crate::error::ApiError;

const DEFAULT_MAX_TOKENS: u64 = 128;
/// Tokens whose logits a request may bias.
const MAX_BIASES: usize = 1_024;
/// Most likely tokens whose log-probabilities a request may ask for.
const MAX_TOP_LOGPROBS: usize = 20;
/// Stop texts of a request.
const MAX_STOPS: usize = 4;
/// Longest stop text in bytes. Each piece of a text is compared with all of them.
const MAX_STOP: usize = 1_024;

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", expecting = "an object with a `type`")]
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
    fn grammar(self) -> Option<Grammar> {
        match self {
            Self::Text => None,
            Self::JsonObject => Some(Grammar::JsonObject),
            Self::JsonSchema { json_schema } => {
                Some(json_schema.schema.map_or(Grammar::JsonObject, Grammar::JsonSchema))
            }
        }
    }
}

/// Takes the options of a completion or a chat. `call` is the grammar of a call that the text has to be.
pub(super) fn generation_params(
    chat: bool,
    fields: &mut Fields,
    call: Option<Grammar>,
) -> Result<GenerationParams, ApiError> {
    let echo = !chat && fields.take("echo")?.unwrap_or(false);
    if chat {
        fields.refuse("echo", "omit it")?;
    }
    let format: Option<ResponseFormat> = fields.take("response_format")?;
    // Without a seed, each request samples differently.
    let seed = fields.take("seed")?.map_or_else(
        || u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default(),
        i64::unsigned_abs,
    );
    let omitted = OmittedOptions {
        max_tokens: !fields.has("max_tokens") && !fields.has("max_completion_tokens"),
        temperature: !fields.has("temperature"),
        top_p: !fields.has("top_p"),
        top_k: !fields.has("top_k"),
    };
    Ok(GenerationParams {
        max_tokens: max_tokens(fields, echo)?,
        overflow: Truncation::take(fields)?.of_prompts(),
        sampling: Sampling {
            temperature: within(fields, "temperature", 0.0..=2.0, 1.0)?,
            top_k: top_k(fields)?,
            top_p: within(fields, "top_p", 0.0..=1.0, 1.0)?,
            seed,
        },
        logits: LogitsProcessor {
            frequency: within(fields, "frequency_penalty", -2.0..=2.0, 0.0)?,
            presence: within(fields, "presence_penalty", -2.0..=2.0, 0.0)?,
            bias: bias(fields)?,
            repetition: repetition(fields)?,
            ..LogitsProcessor::default()
        },
        logprobs: logprobs(chat, fields)?,
        echo,
        grammar: call.or_else(|| format.and_then(ResponseFormat::grammar)),
        stop: stop(fields)?,
        omitted,
        owner: String::new(),
    })
}

/// Largest number of tokens; an echoed prompt may stand alone.
fn max_tokens(fields: &mut Fields, echo: bool) -> Result<u64, ApiError> {
    let (name, tokens) = match fields.take("max_completion_tokens")? {
        Some(tokens) => ("max_completion_tokens", tokens),
        None => ("max_tokens", fields.take("max_tokens")?.unwrap_or(DEFAULT_MAX_TOKENS)),
    };
    let least = u64::from(!echo);
    if !(least..=1 << 20).contains(&tokens) {
        let message = format!("`{name}` must be between {least} and 1048576");
        return Err(ApiError::invalid_value(message, name));
    }
    Ok(tokens)
}

fn within(
    fields: &mut Fields,
    name: &str,
    range: RangeInclusive<f64>,
    default: f64,
) -> Result<f64, ApiError> {
    let value = fields.take(name)?.unwrap_or(default);
    if range.contains(&value) {
        return Ok(value);
    }
    let message = format!("`{name}` must be between {} and {}", range.start(), range.end());
    Err(ApiError::invalid_value(message, name))
}

/// Number of tokens to choose from, an extension of several servers; 0 and -1 stand for all.
fn top_k(fields: &mut Fields) -> Result<usize, ApiError> {
    let count: i64 = fields.take("top_k")?.unwrap_or(0);
    match usize::try_from(count.max(0)) {
        Ok(count_of) if count >= -1 => Ok(count_of),
        _ => Err(ApiError::invalid_value("`top_k` must be -1 or at least 0", "top_k")),
    }
}

/// Penalty of tokens that the prompt or the text has, an extension of several servers.
fn repetition(fields: &mut Fields) -> Result<Option<f64>, ApiError> {
    if !fields.has("repetition_penalty") {
        return Ok(None);
    }
    within(fields, "repetition_penalty", 0.01..=100.0, 1.0).map(Some)
}

fn bias(fields: &mut Fields) -> Result<Vec<(u32, f64)>, ApiError> {
    let bias: Map<String, Value> = fields.take("logit_bias")?.unwrap_or_default();
    let entry = |(token, value): (&String, &Value)| {
        let value = value.as_f64().filter(|value| (-100.0..=100.0).contains(value))?;
        Some((token.parse().ok()?, value))
    };
    let few = bias.len() <= MAX_BIASES;
    let entries: Option<Vec<(u32, f64)>> = if few { bias.iter().map(entry).collect() } else { None };
    entries.ok_or_else(|| {
        let message =
            format!("`logit_bias` must map up to {MAX_BIASES} token ids to numbers between -100 and 100");
        ApiError::invalid_value(message, "logit_bias")
    })
}

/// Most likely tokens to report with each token; `None` without log-probabilities. A boolean and a count for chats, a
/// count for completions.
fn logprobs(chat: bool, fields: &mut Fields) -> Result<Option<usize>, ApiError> {
    let (name, top) = if chat {
        let enabled = fields.take("logprobs")?.unwrap_or(false);
        let top: Option<usize> = fields.take("top_logprobs")?;
        if top.is_some_and(|top| top > 0) && !enabled {
            return Err(fields.invalid("top_logprobs", &"it requires `logprobs: true`"));
        }
        ("top_logprobs", enabled.then(|| top.unwrap_or(0)))
    } else {
        ("logprobs", fields.take("logprobs")?)
    };
    if top.is_some_and(|top| top > MAX_TOP_LOGPROBS) {
        let message = format!("at most {MAX_TOP_LOGPROBS} log-probabilities per token are supported");
        return Err(ApiError::invalid_value(message, name));
    }
    Ok(top)
}

fn stop(fields: &mut Fields) -> Result<Vec<String>, ApiError> {
    let texts = match fields.take::<Value>("stop")? {
        None => Vec::new(),
        Some(Value::String(text)) => vec![text],
        Some(list) => {
            serde_json::from_value::<Vec<String>>(list).map_err(|error| fields.invalid("stop", &error))?
        }
    };
    if texts.len() > MAX_STOPS {
        return Err(ApiError::invalid_value(format!("`stop` may have at most {MAX_STOPS} texts"), "stop"));
    }
    if texts.iter().any(|text| text.len() > MAX_STOP) {
        let message = format!("a text of `stop` may have at most {MAX_STOP} bytes");
        return Err(ApiError::invalid_value(message, "stop"));
    }
    Ok(texts)
}
