//! `POST /v1/completions` and `POST /v1/chat/completions`

use std::sync::Arc;
use std::time::Instant;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, FromRef, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use cupola_budget::Budget;
use cupola_serving::access::{Caller, Scope};
use cupola_serving::{Error, GenerateRequest, Pipeline, Telemetry, WorkSize};

use super::body::{CompletionBody, CompletionKind};
use super::fields::Fields;
use super::stream::CompletionStream;
use crate::error::ApiError;
use crate::request::{
    FullBody, Headers, RequestBudget, name_and_version, request_id, timeout, with_request_id,
};
use crate::state::{RequestLimits, ServerState};

/// Bytes that a byte of the body takes while the body is parsed.
const BODY_FACTOR: usize = 4;
/// Longest name of a model in bytes.
const MAX_MODEL: usize = 512;

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
    RequestBudget(budget): RequestBudget,
    headers: HeaderMap,
    FullBody(body): FullBody,
) -> Response {
    let received = Received { kind: CompletionKind::Text, caller, headers, budget };
    service.respond(received, body).await
}

/// Completions of chats.
pub(super) async fn chat(
    State(service): State<CompletionService>,
    Extension(caller): Extension<Caller>,
    RequestBudget(budget): RequestBudget,
    headers: HeaderMap,
    FullBody(body): FullBody,
) -> Response {
    let received = Received { kind: CompletionKind::Chat, caller, headers, budget };
    service.respond(received, body).await
}

impl CompletionService {
    async fn respond(&self, received: Received, body: Result<Bytes, ApiError>) -> Response {
        let id = request_id(&received.headers);
        let accepted = self.pipeline.check_accepting().map_err(ApiError::from).and(body);
        let admitted = match accepted {
            Ok(body) => self.prepare(received, id.clone(), body).await,
            Err(error) => Err(error),
        };
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

    /// Admits a request on a thread of its own kind: a long prompt or a large schema takes seconds, in which no other
    /// request may wait for a thread of the runtime.
    async fn prepare(&self, received: Received, id: String, body: Bytes) -> Result<Admitted, ApiError> {
        let begin = || self.begin(&received, &id, &body);
        let prepared = self.pipeline.processors().run(WorkSize::Long, &received.budget, begin).await;
        prepared.map_err(|_| Error::GenerationDeadline)?
    }

    fn begin(&self, received: &Received, id: &str, body: &[u8]) -> Result<Admitted, ApiError> {
        let began = Instant::now();
        let Received { kind, caller, headers, budget } = received;
        budget.check()?;
        let _hold = budget.take_each(body.len(), BODY_FACTOR)?;
        let mut fields = Fields::parse(body)?;
        let model: String = fields.require("model")?;
        if model.len() > MAX_MODEL {
            let message = format!("`model` may have {MAX_MODEL} bytes");
            return Err(ApiError::invalid_value(message, "model"));
        }
        let (name, version) = name_and_version(&model)?;
        caller.require(Scope::Predict, name)?;
        let body = CompletionBody::parse(*kind, model.clone(), fields, budget)?;
        let request = GenerateRequest {
            name,
            version,
            metadata: &Headers(headers),
            id,
            began,
            timeout: timeout(headers, self.limits.timeout)?,
            operation: kind.operation(),
        };
        let generation = self.pipeline.generate(&request, |model| body.begin(model, caller.id(), budget))?;
        let stream = CompletionStream::new(generation, &body, id);
        Ok(Admitted { name: name.to_owned(), stream, streamed: body.stream })
    }
}

/// Request without its body.
struct Received {
    kind: CompletionKind,
    caller: Caller,
    headers: HeaderMap,
    budget: Budget,
}

/// Admitted request.
struct Admitted {
    name: String,
    stream: CompletionStream,
    /// `true` if the client wants server-sent events.
    streamed: bool,
}
