//! Texts that are being made for a request, and how they are told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use cupola_runtime::{Finish, Piece, Scored};
use futures::stream::{self, Stream};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::answer::Refusal;
use crate::catalog::Model;
use crate::state::Shared;
use crate::texts::Told;
use crate::traces;

/// Which of the two shapes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Completion,
    Chat,
}

/// Texts that are being made.
pub(super) struct Talk {
    pub name: String,
    /// As the client named it.
    pub model: String,
    pub id: String,
    pub shape: Shape,
    pub created: i64,
    /// Of all prompts together.
    pub prompt_tokens: usize,
    /// Whether the last event tells how many tokens there were.
    pub usage: bool,
    pub deadline: Instant,
    pub pieces: UnboundedReceiver<Told>,
    pub made: Vec<Made>,
    pub began: Instant,
    /// When the first piece came.
    pub first: Option<Instant>,
    /// How it ended.
    pub status: u16,
    /// What tells of it.
    pub app: Arc<Shared>,
    pub headers: HeaderMap,
    /// Kept loaded until the texts are whole.
    pub version: Arc<Model>,
}

/// Of a client that has gone before its texts were whole.
pub(super) const GONE: u16 = 499;

impl Drop for Talk {
    /// However it ends, it is noted.
    fn drop(&mut self) {
        let now = Instant::now();
        let metrics = &self.version.metrics;
        metrics.answered((now - self.began).as_secs_f64());
        let [came, cached, made] = self.tokens();
        metrics.made([came, cached, made]);
        let Some(traces) = &self.app.traces else { return };
        let parts = self.first.map(|first| [("first token", self.began, first), ("tokens", first, now)]);
        let told = traces::Told {
            operation: if self.shape == Shape::Chat { "chat" } else { "text_completion" },
            name: &self.name,
            version: self.version.manifest.version,
            request: &self.id,
            status: self.status,
            began: self.began,
            parts: parts.as_ref().map_or(&[], |parts| parts.as_slice()),
            tokens: Some([came, made]),
        };
        traces.note(&self.headers, &told);
    }
}

/// One of the texts, as far as it is made.
#[derive(Debug, Clone, Default)]
pub(super) struct Made {
    /// What is not told yet.
    text: String,
    /// Probabilities of tokens that are not told yet.
    scored: Vec<Scored>,
    finish: Option<Finish>,
    /// Whether any of it has been told.
    begun: bool,
    /// Bytes of the tokens whose probabilities have been told.
    offset: usize,
    tokens: u64,
    /// Tokens of its prompt that were known of a text before.
    cached: usize,
}

impl Talk {
    /// Takes in the next piece, and says of which text it is.
    async fn next(&mut self) -> Result<usize, Refusal> {
        let next = self.taken().await;
        match &next {
            Err(refusal) => self.status = refusal.status.as_u16(),
            Ok(_) if self.is_whole() => self.status = 200,
            Ok(_) => {}
        }
        next
    }

    async fn taken(&mut self) -> Result<usize, Refusal> {
        let late = || {
            let message = "the text was not whole in time; ask for fewer tokens or allow more time";
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message)
        };
        // The engine looks at the deadline too: whoever is later says so.
        let until = self.deadline + Duration::from_millis(100);
        let told = tokio::time::timeout_at(until.into(), self.pieces.recv()).await;
        let Ok(Some(Told { index, piece })) = told else { return Err(late()) };
        let Piece { text, finish, cached, scored } = piece.map_err(|error| {
            tracing::error!(%error, "a text was not made");
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "inference_failed", error.to_string())
        })?;
        if self.first.is_none() {
            self.first = Some(Instant::now());
            self.version.metrics.begun(self.began.elapsed().as_secs_f64());
        }
        let made = &mut self.made[index];
        made.text.push_str(&text);
        made.scored.extend(scored);
        made.tokens += 1;
        (made.finish, made.cached) = (finish, cached);
        Ok(index)
    }

    fn is_whole(&self) -> bool {
        self.made.iter().all(|made| made.finish.is_some())
    }

    /// Tokens of prompts, those of them that were known before, and those that were made.
    fn tokens(&self) -> [u64; 3] {
        let made = self.made.iter().map(|made| made.tokens).sum();
        let cached: usize = self.made.iter().map(|made| made.cached).sum();
        [self.prompt_tokens as u64, cached as u64, made]
    }

    fn usage(&self) -> Value {
        let [prompt, cached, made] = self.tokens();
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": made,
            "total_tokens": prompt + made,
            "prompt_tokens_details": { "cached_tokens": cached },
        })
    }

    fn envelope(&self, object: &str, choices: &Value) -> Value {
        let (prefix, object) = match self.shape {
            Shape::Completion => ("cmpl", "text_completion".to_owned()),
            Shape::Chat => ("chatcmpl", format!("chat.completion{object}")),
        };
        json!({
            "id": format!("{prefix}-{}", self.id),
            "object": object,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        })
    }

    /// All of them at once.
    pub async fn whole(mut self) -> Result<Value, Refusal> {
        while !self.is_whole() {
            self.next().await?;
        }
        let choices = (0..self.made.len()).map(|index| {
            let (text, mut choice) = self.choice(index);
            match self.shape {
                Shape::Completion => choice["text"] = text.into(),
                Shape::Chat => choice["message"] = json!({ "role": "assistant", "content": text }),
            }
            choice
        });
        let choices = choices.collect();
        let mut value = self.envelope("", &choices);
        value["usage"] = self.usage();
        Ok(value)
    }

    /// What is not told yet of a text, and all about it but that.
    fn choice(&mut self, index: usize) -> (String, Value) {
        let made = &mut self.made[index];
        let scored = std::mem::take(&mut made.scored);
        let logprobs = match self.shape {
            _ if scored.is_empty() => Value::Null,
            Shape::Completion => listed(&scored, &mut made.offset),
            Shape::Chat => json!({ "content": scored.iter().map(told).collect::<Value>(), "refusal": null }),
        };
        let finish = made.finish.map(|finish| match finish {
            Finish::Stop => "stop",
            Finish::Length => "length",
        });
        let choice = json!({ "index": index, "logprobs": logprobs, "finish_reason": finish });
        (std::mem::take(&mut made.text), choice)
    }

    /// An event of what is not told yet of a text; none where that is nothing.
    fn chunk(&mut self, index: usize) -> Option<Value> {
        let made = &mut self.made[index];
        let first = !std::mem::replace(&mut made.begun, true);
        if made.text.is_empty() && made.finish.is_none() && !first {
            return None;
        }
        let (text, mut choice) = self.choice(index);
        match self.shape {
            Shape::Completion => choice["text"] = text.into(),
            Shape::Chat => {
                choice["delta"] = json!({ "content": text });
                if first {
                    choice["delta"]["role"] = "assistant".into();
                }
            }
        }
        Some(self.envelope(".chunk", &json!([choice])))
    }

    /// Server-sent events, one for each piece, `[DONE]` at the end.
    pub fn streamed(self) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
        let state = (self, VecDeque::<String>::new(), false);
        let events = stream::unfold(state, |(mut talk, mut ready, mut ended)| async move {
            while ready.is_empty() {
                if ended {
                    return None;
                }
                match talk.next().await {
                    Ok(index) => {
                        ready.extend(talk.chunk(index).map(|chunk| chunk.to_string()));
                        ended = talk.is_whole();
                        if ended && talk.usage {
                            let mut last = talk.envelope(".chunk", &json!([]));
                            last["usage"] = talk.usage();
                            ready.push_back(last.to_string());
                        }
                    }
                    Err(refusal) => {
                        let error = json!({ "message": refusal.message, "code": refusal.code });
                        ready.push_back(json!({ "error": error }).to_string());
                        ended = true;
                    }
                }
                if ended {
                    ready.push_back("[DONE]".to_owned());
                }
            }
            let event = Event::default().data(ready.pop_front().unwrap_or_default());
            Some((Ok(event), (talk, ready, ended)))
        });
        Sse::new(events).keep_alive(KeepAlive::default())
    }
}

/// A token of a chat with its log-probability.
fn told(scored: &Scored) -> Value {
    let one = |token: &str, logprob: f64| {
        // A token that ends inside a character has no text of its own.
        let bytes = (!token.contains('\u{fffd}')).then_some(token.as_bytes());
        json!({ "token": token, "logprob": logprob, "bytes": bytes })
    };
    let mut all = one(&scored.token, scored.logprob);
    all["top_logprobs"] = scored.top.iter().map(|(token, logprob)| one(token, *logprob)).collect();
    all
}

/// Tokens of a completion with their log-probabilities; `offset` counts the bytes of those before.
fn listed(scored: &[Scored], offset: &mut usize) -> Value {
    let offsets = scored.iter().map(|one| {
        let from = *offset;
        *offset += one.token.len();
        from
    });
    let offsets: Vec<usize> = offsets.collect();
    let top = |one: &Scored| -> Map<String, Value> {
        one.top.iter().map(|(token, logprob)| (token.clone(), (*logprob).into())).collect()
    };
    json!({
        "tokens": scored.iter().map(|one| one.token.as_str()).collect::<Vec<_>>(),
        "token_logprobs": scored.iter().map(|one| one.logprob).collect::<Vec<_>>(),
        "top_logprobs": scored.iter().map(top).collect::<Vec<_>>(),
        "text_offset": offsets,
    })
}
