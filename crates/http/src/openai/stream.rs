//! Responses of completions and chats: all at once, or as server-sent events.

use std::collections::VecDeque;
use std::convert::Infallible;

use axum::response::sse::{Event, KeepAlive, Sse};
use cupola_runtime::{FinishReason, TextPiece, TokenLogprobs};
use cupola_serving::{GenerationStream, TokenUsage};
use futures::stream::{self, Stream};
use serde_json::{Value, json};

use super::body::{CompletionBody, CompletionKind};
use super::logprobs;
use super::tool_calls::{CallReader, ResponsePart};
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
    /// Choices of each prompt.
    choices_per_prompt: usize,
    choices: Vec<ChoiceState>,
}

/// Generated parts of a choice that were not sent yet.
#[derive(Debug, Clone, Default)]
struct ChoiceState {
    calls: CallReader,
    parts: Vec<ResponsePart>,
    logprobs: Vec<TokenLogprobs>,
    finish: Option<FinishReason>,
    /// `true` once an event of this choice was sent.
    begun: bool,
    /// Number of calls whose beginning was sent.
    sent_calls: usize,
}

impl ChoiceState {
    fn add(&mut self, piece: TextPiece) {
        let complete = piece.finish == Some(FinishReason::Stop);
        self.parts.extend(self.calls.read(&piece.text, piece.finish.is_some(), complete));
        self.logprobs.extend(piece.logprobs);
        self.finish = piece.finish;
    }

    /// Reason for the end, as responses name it.
    fn finish_reason(&self) -> Option<&'static str> {
        self.finish.map(|finish| match finish {
            FinishReason::Stop if self.calls.calls() > 0 => "tool_calls",
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
        })
    }

    /// Takes the content and the calls that were not sent yet.
    fn take_parts(&mut self) -> (String, Vec<CallDelta>) {
        let (mut content, mut calls) = (String::new(), Vec::<CallDelta>::new());
        for part in std::mem::take(&mut self.parts) {
            match part {
                ResponsePart::Content(text) => content += &text,
                ResponsePart::Call { id, name } => {
                    let begin = Some((id, name));
                    calls.push(CallDelta { index: self.sent_calls, begin, arguments: String::new() });
                    self.sent_calls += 1;
                }
                ResponsePart::Arguments(text) => {
                    if let Some(call) = calls.last_mut() {
                        call.arguments += &text;
                    } else {
                        let index = self.sent_calls.saturating_sub(1);
                        calls.push(CallDelta { index, begin: None, arguments: text });
                    }
                }
            }
        }
        (content, calls)
    }

    /// Message of a chat, complete.
    fn take_message(&mut self) -> Value {
        let (content, calls) = self.take_parts();
        if calls.is_empty() {
            return json!({ "role": "assistant", "content": content, "refusal": null });
        }
        let content = (!content.is_empty()).then_some(content);
        let calls: Vec<Value> = calls.into_iter().map(CallDelta::into_json).collect();
        json!({ "role": "assistant", "content": content, "refusal": null, "tool_calls": calls })
    }

    /// Parts of a chat's message that were not sent yet.
    fn take_delta(&mut self, first: bool) -> Value {
        let (content, calls) = self.take_parts();
        let mut delta = json!({});
        if first {
            delta["role"] = "assistant".into();
        }
        // Clients expect a content with the role.
        if !content.is_empty() || calls.is_empty() && (first || self.calls.calls() == 0) {
            delta["content"] = content.into();
        } else if first {
            delta["content"] = Value::Null;
        }
        if !calls.is_empty() {
            let each = calls.into_iter().map(|call| {
                let index = call.index;
                let mut call = call.into_json();
                call["index"] = index.into();
                call
            });
            delta["tool_calls"] = each.collect();
        }
        delta
    }
}

/// Part of a call that was not sent yet.
struct CallDelta {
    /// Index of the call within the message.
    index: usize,
    /// Id and name of a call of which nothing was sent yet.
    begin: Option<(String, String)>,
    arguments: String,
}

impl CallDelta {
    fn into_json(self) -> Value {
        match self.begin {
            Some((id, name)) => json!({
                "id": id, "type": "function", "function": { "name": name, "arguments": self.arguments },
            }),
            None => json!({ "function": { "arguments": self.arguments } }),
        }
    }
}

impl CompletionStream {
    pub fn new(generation: GenerationStream, body: &CompletionBody, id: &str) -> Self {
        let choice = ChoiceState { calls: CallReader::new(body.call_format()), ..ChoiceState::default() };
        Self {
            choices: vec![choice; generation.len()],
            generation,
            kind: body.kind,
            choices_per_prompt: body.choices,
            model: body.model.clone(),
            id: id.to_owned(),
            created: jiff::Timestamp::now().as_second(),
            include_usage: body.include_usage,
        }
    }

    /// Adds the next piece and returns the index of its choice.
    async fn advance(&mut self) -> Result<usize, ApiError> {
        let (index, piece) = self.generation.next::<ApiError>().await?;
        self.choices[index].add(piece);
        Ok(index)
    }

    /// Response with all choices.
    pub async fn into_json(mut self) -> Result<Value, ApiError> {
        while !self.generation.is_complete() {
            self.advance().await?;
        }
        let choices = (0..self.choices.len()).map(|index| {
            let mut choice = self.take(index);
            match self.kind {
                CompletionKind::Text => choice["text"] = self.choices[index].take_parts().0.into(),
                CompletionKind::Chat => choice["message"] = self.choices[index].take_message(),
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
                let error = json!({ "message": error.message, "type": "server_error", "param": error.field, "code": error.code });
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
        if choice.parts.is_empty() && choice.finish.is_none() && !first {
            return None;
        }
        let mut value = self.take(index);
        let choice = &mut self.choices[index];
        match self.kind {
            CompletionKind::Text => value["text"] = choice.take_parts().0.into(),
            CompletionKind::Chat => value["delta"] = choice.take_delta(first),
        }
        Some(self.envelope(".chunk", &json!([value])))
    }

    /// A choice without its text, and with the log-probabilities that were not sent yet.
    fn take(&mut self, index: usize) -> Value {
        let choice = &mut self.choices[index];
        let tokens = std::mem::take(&mut choice.logprobs);
        let logprobs = match self.kind {
            _ if tokens.is_empty() => Value::Null,
            CompletionKind::Text => logprobs::of_text(&tokens),
            CompletionKind::Chat => logprobs::of_chat(&tokens),
        };
        json!({ "index": index, "logprobs": logprobs, "finish_reason": choice.finish_reason() })
    }

    fn usage(&self) -> Value {
        let TokenUsage { prompt, cached, generated } =
            self.generation.usage_of_choices(self.choices_per_prompt);
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
