//! Texts that go on: completions, and chats whose messages are written one after another.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use cupola_runtime::{Error, Generation};

use super::body::Body;
use super::talk::{GONE, Made, Shape, Talk};
use super::{App, allowed, bad, read};
use crate::answer::Refusal;
use crate::ask::draining;
use crate::keys::Caller;
use crate::predict::named;
use crate::request::{deadline, request_id, tag};

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
        Ok((talk, true)) => (Some(talk.name.clone()), talk.streamed().into_response()),
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

/// Admits a request; whether it wants its text piece by piece.
fn begin(
    app: &App,
    caller: &Caller,
    headers: &HeaderMap,
    id: &str,
    body: Result<Bytes, BytesRejection>,
    shape: Shape,
) -> Result<(Talk, bool), Refusal> {
    let began = Instant::now();
    if app.draining.load(Ordering::Acquire) {
        return Err(draining());
    }
    let body: Body = read(app, body)?;
    let (name, version) = named(&body.model)?;
    allowed(caller, name)?;
    let timeout = deadline(headers, app.settings.timeout)?;
    let texts = body.texts(shape, caller)?;
    let picked = app.catalog.pick(name, version, headers, id)?;
    let begun = texts.into_iter().map(|(prompt, wanted)| picked.model.sealed.generation(&prompt, wanted));
    let generations: Vec<Generation> = begun.collect::<Result<_, Error>>().map_err(|error| match error {
        Error::Chat { .. } => bad(error.to_string(), "messages"),
        Error::Format { .. } => bad(error.to_string(), "response_format"),
        _ => bad(format!("`{name}` goes on with no text: {error}"), "model"),
    })?;
    let made = vec![Made::default(); generations.len()];
    let prompt_tokens = generations.iter().map(|text| text.prompt_tokens).sum();
    let deadline = began + timeout;
    let Some(pieces) = picked.model.batcher.submit_texts(generations, deadline) else {
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
        usage: body.usage(),
        deadline,
        pieces,
        made,
        began,
        first: None,
        status: GONE,
        app: Arc::clone(app),
        headers: headers.clone(),
        version: picked.model,
    };
    Ok((talk, body.stream))
}
