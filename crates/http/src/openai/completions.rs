//! `POST /v1/completions` and `POST /v1/chat/completions`

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Error, GenerateRequest, Pipeline, Telemetry};

use super::body::{CompletionBody, CompletionKind};
use super::parse;
use super::stream::CompletionStream;
use crate::error::ApiError;
use crate::request::{Headers, name_and_version, request_id, timeout, with_request_id};
use crate::state::RequestLimits;

/// Completions of prompts.
pub(super) async fn completions(
    State(pipeline): State<Arc<Pipeline>>,
    State(telemetry): State<Arc<Telemetry>>,
    State(limits): State<RequestLimits>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let context = Context { pipeline, telemetry, limits, caller, headers };
    respond(&context, CompletionKind::Text, body).await
}

/// Completions of chats.
pub(super) async fn chat(
    State(pipeline): State<Arc<Pipeline>>,
    State(telemetry): State<Arc<Telemetry>>,
    State(limits): State<RequestLimits>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let context = Context { pipeline, telemetry, limits, caller, headers };
    respond(&context, CompletionKind::Chat, body).await
}

struct Context {
    pipeline: Arc<Pipeline>,
    telemetry: Arc<Telemetry>,
    limits: RequestLimits,
    caller: Caller,
    headers: HeaderMap,
}

async fn respond(context: &Context, kind: CompletionKind, body: Result<Bytes, BytesRejection>) -> Response {
    let id = request_id(&context.headers);
    let response = match begin(context, kind, &id, body) {
        Err(error) => error.into_openai_response(),
        Ok(Admitted { name, stream, streamed }) => {
            let response = if streamed {
                stream.into_events().into_response()
            } else {
                match stream.into_json().await {
                    Ok(value) => Json(value).into_response(),
                    Err(error) => error.into_openai_response(),
                }
            };
            context.telemetry.count_response(&name, response.status().as_u16());
            response
        }
    };
    with_request_id(response, &id)
}

/// Admitted request.
struct Admitted {
    name: String,
    stream: CompletionStream,
    /// `true` if the client wants server-sent events.
    streamed: bool,
}

fn begin(
    context: &Context,
    kind: CompletionKind,
    id: &str,
    body: Result<Bytes, BytesRejection>,
) -> Result<Admitted, ApiError> {
    let began = Instant::now();
    context.pipeline.check_accepting()?;
    let body: CompletionBody = parse(body, context.limits)?;
    let (name, version) = name_and_version(&body.model)?;
    context.caller.require(Scope::Predict, name)?;
    let request = GenerateRequest {
        name,
        version,
        metadata: &Headers(&context.headers),
        id,
        began,
        timeout: timeout(&context.headers, context.limits.timeout)?,
        operation: kind.operation(),
        sequences: body.sequences(kind, &context.caller)?,
    };
    let generation = context.pipeline.generate(request).map_err(|error| prompt_error(name, error))?;
    let stream = CompletionStream::new(generation, kind, &body, id);
    Ok(Admitted { name: name.to_owned(), stream, streamed: body.stream })
}

/// Names the parameter that a model does not accept.
fn prompt_error(name: &str, error: Error) -> ApiError {
    match error {
        Error::Prompt(error @ cupola_runtime::Error::Chat { .. }) => {
            ApiError::invalid_value(error.to_string(), "messages")
        }
        Error::Prompt(error @ cupola_runtime::Error::Format { .. }) => {
            ApiError::invalid_value(error.to_string(), "response_format")
        }
        Error::Prompt(error) => {
            ApiError::invalid_value(format!("`{name}` does not generate text: {error}"), "model")
        }
        error => error.into(),
    }
}
