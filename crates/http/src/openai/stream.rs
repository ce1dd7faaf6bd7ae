//! Responses of completions and chats: all at once, or as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::response::sse::{Event, KeepAlive, Sse};
use cupola_runtime::{FinishReason, TokenLogprobs};
use cupola_serving::{GenerationStream, TokenUsage};
use futures::stream::{self, Stream};
use serde_json::{Map, Value, json};

use super::body::{CompletionBody, CompletionKind};
use crate::error::ApiError;

/// Response to a request for generated text, while it is generated.
pub(super) struct CompletionStream {
    generation: GenerationStream,
    kind: CompletionKind,
    /// Name of the model as the client wrote it.
    model: String,
    id: String,
    created: i64,
    /// `true` if the last event has the token counts.
    include_usage: bool,
    choices: Vec<ChoiceState>,
}

/// Generated parts of a choice that were not sent yet.
#[derive(Debug, Clone, Default)]
struct ChoiceState {
    text: String,
    logprobs: Vec<TokenLogprobs>,
    finish: Option<FinishReason>,
    /// `true` once an event of this choice was sent.
    begun: bool,
    /// Bytes of the tokens whose log-probabilities were sent.
    offset: usize,
}

impl CompletionStream {
    pub fn new(generation: GenerationStream, kind: CompletionKind, body: &CompletionBody, id: &str) -> Self {
        Self {
            choices: vec![ChoiceState::default(); generation.len()],
            generation,
            kind,
            model: body.model.clone(),
            id: id.to_owned(),
            created: jiff::Timestamp::now().as_second(),
            include_usage: body.include_usage(),
        }
    }

    /// Adds the next piece and returns the index of its choice.
    async fn advance(&mut self) -> Result<usize, ApiError> {
        let (index, piece) = self.generation.next::<ApiError>().await?;
        let choice = &mut self.choices[index];
        choice.text.push_str(&piece.text);
        choice.logprobs.extend(piece.logprobs);
        choice.finish = piece.finish;
        Ok(index)
    }

    /// Response with all choices.
    pub async fn into_json(mut self) -> Result<Value, ApiError> {
        while !self.generation.is_complete() {
            self.advance().await?;
        }
        let choices = (0..self.choices.len()).map(|index| {
            let (text, mut choice) = self.take(index);
            match self.kind {
                CompletionKind::Text => choice["text"] = text.into(),
                CompletionKind::Chat => choice["message"] = json!({ "role": "assistant", "content": text }),
            }
            choice
        });
        let choices = choices.collect();
        let mut value = self.envelope("", &choices);
        value["usage"] = self.usage();
        Ok(value)
    }

    /// Server-sent events, one per piece, and `[DONE]` at the end.
    pub fn into_events(self) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let state = (self, VecDeque::<String>::new(), false);
        let events = stream::unfold(state, |(mut this, mut ready, mut ended)| async move {
            while ready.is_empty() {
                if ended {
                    return None;
                }
                ended = this.push_events(&mut ready).await;
                if ended {
                    ready.push_back("[DONE]".to_owned());
                }
            }
            let event = Event::default().data(ready.pop_front().unwrap_or_default());
            Some((Ok(event), (this, ready, ended)))
        });
        Sse::new(events).keep_alive(KeepAlive::default())
    }

    /// Adds the events of the next piece; `true` if it was the last one.
    async fn push_events(&mut self, events: &mut VecDeque<String>) -> bool {
        let index = match self.advance().await {
            Ok(index) => index,
            Err(error) => {
                let error = json!({ "message": error.message, "code": error.code });
                events.push_back(json!({ "error": error }).to_string());
                return true;
            }
        };
        events.extend(self.chunk(index).map(|chunk| chunk.to_string()));
        let complete = self.generation.is_complete();
        if complete && self.include_usage {
            let mut last = self.envelope(".chunk", &json!([]));
            last["usage"] = self.usage();
            events.push_back(last.to_string());
        }
        complete
    }

    /// Event with the parts of a choice that were not sent yet; `None` if there are none.
    fn chunk(&mut self, index: usize) -> Option<Value> {
        let choice = &mut self.choices[index];
        let first = !std::mem::replace(&mut choice.begun, true);
        if choice.text.is_empty() && choice.finish.is_none() && !first {
            return None;
        }
        let (text, mut choice) = self.take(index);
        match self.kind {
            CompletionKind::Text => choice["text"] = text.into(),
            CompletionKind::Chat => {
                choice["delta"] = json!({ "content": text });
                if first {
                    choice["delta"]["role"] = "assistant".into();
                }
            }
        }
        Some(self.envelope(".chunk", &json!([choice])))
    }

    /// Text of a choice that was not sent yet, and the choice without its text.
    fn take(&mut self, index: usize) -> (String, Value) {
        let choice = &mut self.choices[index];
        let logprobs = std::mem::take(&mut choice.logprobs);
        let logprobs = match self.kind {
            _ if logprobs.is_empty() => Value::Null,
            CompletionKind::Text => text_logprobs(&logprobs, &mut choice.offset),
            CompletionKind::Chat => {
                json!({ "content": logprobs.iter().map(chat_logprob).collect::<Value>(), "refusal": null })
            }
        };
        let finish = choice.finish.map(|finish| match finish {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
        });
        let text = std::mem::take(&mut choice.text);
        (text, json!({ "index": index, "logprobs": logprobs, "finish_reason": finish }))
    }

    fn usage(&self) -> Value {
        let TokenUsage { prompt, cached, generated } = self.generation.usage();
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": generated,
            "total_tokens": prompt + generated,
            "prompt_tokens_details": { "cached_tokens": cached },
        })
    }

    fn envelope(&self, suffix: &str, choices: &Value) -> Value {
        let (prefix, object) = match self.kind {
            CompletionKind::Text => ("cmpl", "text_completion".to_owned()),
            CompletionKind::Chat => ("chatcmpl", format!("chat.completion{suffix}")),
        };
        json!({
            "id": format!("{prefix}-{}", self.id),
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }
}

/// Token of a chat with its log-probability.
fn chat_logprob(logprobs: &TokenLogprobs) -> Value {
    let entry = |token: &str, logprob: f64| {
        // A token that ends within a character has no bytes of valid UTF-8.
        let bytes = (!token.contains('\u{fffd}')).then_some(token.as_bytes());
        json!({ "token": token, "logprob": logprob, "bytes": bytes })
    };
    let mut value = entry(&logprobs.token, logprobs.logprob);
    value["top_logprobs"] = logprobs.top.iter().map(|(token, logprob)| entry(token, *logprob)).collect();
    value
}

/// Tokens of a completion with their log-probabilities. `offset` counts the bytes of earlier tokens.
fn text_logprobs(logprobs: &[TokenLogprobs], offset: &mut usize) -> Value {
    let offsets = logprobs.iter().map(|one| {
        let from = *offset;
        *offset += one.token.len();
        from
    });
    let offsets: Vec<usize> = offsets.collect();
    let top = |one: &TokenLogprobs| -> Map<String, Value> {
        one.top.iter().map(|(token, logprob)| (token.clone(), (*logprob).into())).collect()
    };
    json!({
        "tokens": logprobs.iter().map(|one| one.token.as_str()).collect::<Vec<_>>(),
        "token_logprobs": logprobs.iter().map(|one| one.logprob).collect::<Vec<_>>(),
        "top_logprobs": logprobs.iter().map(top).collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}
