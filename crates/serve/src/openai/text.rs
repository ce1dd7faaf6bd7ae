//! Texts that go on: completions, and chats whose messages are written one after another.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use cupola_infer::{Error, Finish, Message, Piece, Prompt, Sampling, Wanted};
use futures::stream::{self, Stream};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::{App, Texts, allowed, bad, read};
use crate::answer::Refusal;
use crate::ask::draining;
use crate::catalog::Model;
use crate::keys::Caller;
use crate::predict::named;
use crate::request::{deadline, request_id, tag};
use crate::texts::Told;

/// Tokens where none are asked for.
const TOKENS: u64 = 128;

#[derive(Deserialize)]
struct Body {
    model: String,
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
    n: Option<u64>,
    #[serde(default)]
    seed: Option<i64>,
    #[serde(default)]
    stop: Option<Texts>,
    #[serde(default)]
    stream: bool,
    #[serde(default)]
    stream_options: Option<StreamOptions>,
}

#[derive(Deserialize)]
struct StreamOptions {
    #[serde(default)]
    include_usage: bool,
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

/// Which of the two shapes an answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Completion,
    Chat,
}

/// `POST /v1/completions`
pub(crate) async fn completions(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(&app, &caller, &headers, body, Shape::Completion).await
}

/// `POST /v1/chat/completions`
pub(crate) async fn chat(
    State(app): State<App>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    answer(&app, &caller, &headers, body, Shape::Chat).await
}

async fn answer(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
    shape: Shape,
) -> Response {
    let id = request_id(headers);
    let (name, response) = match begin(app, caller, headers, &id, body, shape) {
        Err(refusal) => (None, refusal.into_openai_response()),
        Ok((talk, true)) => (Some(talk.name.clone()), streamed(talk).into_response()),
        Ok((talk, false)) => {
            let name = talk.name.clone();
            let whole = match talk.whole().await {
                Ok(value) => axum::Json(value).into_response(),
                Err(refusal) => refusal.into_openai_response(),
            };
            (Some(name), whole)
        }
    };
    if let Some(name) = name {
        app.telemetry.answered(&name, response.status().as_u16());
    }
    tag(response, &id)
}

/// A text that is being made, and how it is told.
struct Talk {
    name: String,
    /// As the client named it.
    model: String,
    id: String,
    shape: Shape,
    created: i64,
    prompt_tokens: usize,
    tokens: u64,
    /// Tokens of the prompt that were known of a text before.
    cached: usize,
    usage: bool,
    deadline: Instant,
    pieces: UnboundedReceiver<Told>,
    /// Keeps the version loaded until the text is whole.
    _held: Arc<Model>,
}

/// Admits a request; whether it wants its text piece by piece.
fn begin(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    id: &str,
    body: Result<Bytes, BytesRejection>,
    shape: Shape,
) -> Result<(Talk, bool), Refusal> {
    if app.draining.load(Ordering::Acquire) {
        return Err(draining());
    }
    let body: Body = read(app, body)?;
    let (name, version) = named(&body.model)?;
    allowed(caller, name)?;
    let timeout = deadline(headers, app.settings.timeout)?;
    let wanted = wanted(&body, caller)?;
    let prompt = prompt(&body, shape)?;
    let picked = app.catalog.pick(name, version, headers, id)?;
    let generation = picked.model.sealed.generation(&prompt, wanted).map_err(|error| match error {
        Error::Chat { .. } => bad(error.to_string(), "messages"),
        _ => bad(format!("`{name}` goes on with no text: {error}"), "model"),
    })?;
    let prompt_tokens = generation.prompt_tokens;
    let deadline = Instant::now() + timeout;
    let Some(pieces) = picked.model.batcher.submit_text(generation, deadline) else {
        let message = "too many requests wait already; try again in a second";
        return Err(Refusal::new(StatusCode::TOO_MANY_REQUESTS, "overloaded", message));
    };
    let talk = Talk {
        name: name.to_owned(),
        model: body.model.clone(),
        id: id.to_owned(),
        shape,
        created: jiff::Timestamp::now().as_second(),
        prompt_tokens,
        tokens: 0,
        cached: 0,
        usage: body.stream_options.as_ref().is_some_and(|options| options.include_usage),
        deadline,
        pieces,
        _held: picked.model,
    };
    Ok((talk, body.stream))
}

fn wanted(body: &Body, caller: &Caller) -> Result<Wanted, Refusal> {
    if body.n.is_some_and(|n| n != 1) {
        return Err(bad("one text is made for each request; leave `n` out", "n"));
    }
    let temperature = body.temperature.unwrap_or(1.0);
    if !(0.0..=2.0).contains(&temperature) {
        return Err(bad("`temperature` is between 0 and 2", "temperature"));
    }
    let top_p = body.top_p.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&top_p) {
        return Err(bad("`top_p` is between 0 and 1", "top_p"));
    }
    let tokens = body.max_completion_tokens.or(body.max_tokens).unwrap_or(TOKENS);
    if !(1..=1 << 20).contains(&tokens) {
        return Err(bad("`max_tokens` is at least 1", "max_tokens"));
    }
    let stop = match &body.stop {
        None => Vec::new(),
        Some(Texts::One(text)) => vec![text.clone()],
        Some(Texts::Many(texts)) if texts.len() <= 4 => texts.clone(),
        Some(Texts::Many(_)) => return Err(bad("`stop` has four texts at most", "stop")),
    };
    // Without a seed each request draws anew.
    let seed = body.seed.map_or_else(
        || u64::try_from(jiff::Timestamp::now().as_microsecond()).unwrap_or_default(),
        i64::unsigned_abs,
    );
    let sampling = Sampling { temperature, top_k: 0, top_p, seed };
    Ok(Wanted { tokens, sampling, stop, owner: caller.id().to_owned() })
}

fn prompt(body: &Body, shape: Shape) -> Result<Prompt, Refusal> {
    match shape {
        Shape::Completion => match &body.prompt {
            Some(Texts::One(text)) => Ok(Prompt::Text(text.clone())),
            Some(Texts::Many(texts)) if texts.len() == 1 => Ok(Prompt::Text(texts[0].clone())),
            Some(Texts::Many(_)) => Err(bad("one text is made for each request; send one prompt", "prompt")),
            None => Ok(Prompt::Text(String::new())),
        },
        Shape::Chat => {
            let messages = body.messages.as_deref().unwrap_or_default();
            if messages.is_empty() {
                return Err(bad("`messages` is empty; send at least one", "messages"));
            }
            let each = messages.iter().map(|said| {
                let content = said.content.as_ref().map(Content::text).unwrap_or_default();
                Message { role: said.role.clone(), content }
            });
            Ok(Prompt::Messages(each.collect()))
        }
    }
}

fn reason(finish: Finish) -> &'static str {
    match finish {
        Finish::Stop => "stop",
        Finish::Length => "length",
    }
}

impl Talk {
    /// The next piece; nothing more where the time is over.
    async fn next(&mut self) -> Result<Piece, Refusal> {
        let late = || {
            let message = "the text was not whole in time; ask for fewer tokens or allow more time";
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, "deadline", message)
        };
        // The engine looks at the deadline too: whoever is later says so.
        let until = self.deadline + Duration::from_millis(100);
        match tokio::time::timeout_at(until.into(), self.pieces.recv()).await {
            Ok(Some(Ok(piece))) => {
                self.tokens += 1;
                self.cached = piece.cached;
                Ok(piece)
            }
            Ok(Some(Err(error))) => {
                tracing::error!(%error, "a text was not made");
                Err(Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "inference_failed", error.to_string()))
            }
            Ok(None) | Err(_) => Err(late()),
        }
    }

    fn usage(&self) -> Value {
        let (prompt, made) = (self.prompt_tokens as u64, self.tokens);
        json!({
            "prompt_tokens": prompt,
            "completion_tokens": made,
            "total_tokens": prompt + made,
            "prompt_tokens_details": { "cached_tokens": self.cached },
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

    /// All of it at once.
    async fn whole(mut self) -> Result<Value, Refusal> {
        let mut text = String::new();
        let finish = loop {
            let piece = self.next().await?;
            text.push_str(&piece.text);
            if let Some(finish) = piece.finish {
                break reason(finish);
            }
        };
        let choice = match self.shape {
            Shape::Completion => {
                json!({ "index": 0, "text": text, "logprobs": null, "finish_reason": finish })
            }
            Shape::Chat => {
                let message = json!({ "role": "assistant", "content": text });
                json!({ "index": 0, "message": message, "logprobs": null, "finish_reason": finish })
            }
        };
        let mut value = self.envelope("", &json!([choice]));
        value["usage"] = self.usage();
        Ok(value)
    }

    fn chunk(&self, piece: &Piece, first: bool) -> Value {
        let finish = piece.finish.map(reason);
        let choice = match self.shape {
            Shape::Completion => json!({ "index": 0, "text": piece.text, "finish_reason": finish }),
            Shape::Chat => {
                let mut delta = json!({ "content": piece.text });
                if first {
                    delta["role"] = "assistant".into();
                }
                json!({ "index": 0, "delta": delta, "finish_reason": finish })
            }
        };
        self.envelope(".chunk", &json!([choice]))
    }
}

/// Server-sent events, one for each piece, `[DONE]` at the end.
fn streamed(talk: Talk) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let state = (talk, VecDeque::<String>::new(), true, false);
    let events = stream::unfold(state, |(mut talk, mut ready, mut first, mut ended)| async move {
        while ready.is_empty() {
            if ended {
                return None;
            }
            match talk.next().await {
                Ok(piece) => {
                    // What holds no text yet is not worth an event.
                    if !piece.text.is_empty() || piece.finish.is_some() || first {
                        ready.push_back(talk.chunk(&piece, first).to_string());
                    }
                    first = false;
                    ended = piece.finish.is_some();
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
        Some((Ok(event), (talk, ready, first, ended)))
    });
    Sse::new(events).keep_alive(KeepAlive::default())
}
