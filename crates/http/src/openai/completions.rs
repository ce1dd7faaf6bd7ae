//! `POST /v1/completions` and `POST /v1/chat/completions`

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, FromRef, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use cupola_serving::access::{Caller, Scope};
use cupola_serving::{GenerateRequest, Pipeline, Telemetry};

use super::body::{CompletionBody, CompletionKind};
use super::fields::Fields;
use super::stream::CompletionStream;
use crate::error::ApiError;
use crate::request::{FullBody, Headers, name_and_version, request_id, timeout, with_request_id};
use crate::state::{RequestLimits, ServerState};

/// Parts of the server that generate text.
#[derive(Clone)]
pub(super) struct CompletionService {
    pipeline: Arc<Pipeline>,
    telemetry: Arc<Telemetry>,
    limits: RequestLimits,
}

impl FromRef<ServerState> for CompletionService {
    fn from_ref(state: &ServerState) -> Self {
        let ServerState { pipeline, telemetry, limits, .. } = state.clone();
        Self { pipeline, telemetry, limits }
    }
}

/// Completions of prompts.
pub(super) async fn completions(
    State(service): State<CompletionService>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    FullBody(body): FullBody,
) -> Response {
    service.respond(CompletionKind::Text, &caller, &headers, body).await
}

/// Completions of chats.
pub(super) async fn chat(
    State(service): State<CompletionService>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    FullBody(body): FullBody,
) -> Response {
    service.respond(CompletionKind::Chat, &caller, &headers, body).await
}

impl CompletionService {
    async fn respond(
        &self,
        kind: CompletionKind,
        caller: &Caller,
        headers: &HeaderMap,
        body: Result<Bytes, ApiError>,
    ) -> Response {
        let id = request_id(headers);
        let admitted = self.pipeline.check_accepting().map_err(ApiError::from).and(body);
        let admitted =
            admitted.and_then(|body| self.begin(kind, caller, &Received { headers, id: &id, body }));
        let response = match admitted {
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
                self.telemetry.count_response(&name, response.status().as_u16());
                response
            }
        };
        with_request_id(response, &id)
    }

    fn begin(
        &self,
        kind: CompletionKind,
        caller: &Caller,
        received: &Received<'_>,
    ) -> Result<Admitted, ApiError> {
        let began = Instant::now();
        let mut fields = Fields::parse(&received.body)?;
        let model: String = fields.require("model")?;
        let (name, version) = name_and_version(&model)?;
        caller.require(Scope::Predict, name)?;
        let body = CompletionBody::parse(kind, model.clone(), fields)?;
        let request = GenerateRequest {
            name,
            version,
            metadata: &Headers(received.headers),
            id: received.id,
            began,
            timeout: timeout(received.headers, self.limits.timeout)?,
            operation: kind.operation(),
        };
        let generation = self.pipeline.generate(&request, |model| body.begin(model, caller.id()))?;
        let stream = CompletionStream::new(generation, &body, received.id);
        Ok(Admitted { name: name.to_owned(), stream, streamed: body.stream })
    }
}

/// Request before its body is parsed.
struct Received<'a> {
    headers: &'a HeaderMap,
    id: &'a str,
    body: Bytes,
}

/// Admitted request.
struct Admitted {
    name: String,
    stream: CompletionStream,
    /// `true` if the client wants server-sent events.
    streamed: bool,
}
