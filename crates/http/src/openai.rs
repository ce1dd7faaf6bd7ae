//! Embeddings, completions and chats for `OpenAI`'s clients
//! (<https://platform.openai.com/docs/api-reference>).
//!
//! Bodies name their model, so the routes require any key and the handlers check the scope.

mod body;
mod completions;
mod embeddings;
mod stream;

use axum::routing::post;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::error::ApiError;
use crate::middleware::{Access, Routes};
use crate::state::ServerState;

/// Routes of the protocol.
pub(crate) fn routes() -> Routes<ServerState> {
    Routes::new()
        .route(Access::AnyKey, "/v1/embeddings", post(embeddings::embeddings))
        .route(Access::AnyKey, "/v1/completions", post(completions::completions))
        .route(Access::AnyKey, "/v1/chat/completions", post(completions::chat))
}

/// One text or a list of texts.
#[derive(Deserialize)]
#[serde(untagged)]
enum TextOrList {
    One(String),
    Many(Vec<String>),
}

/// Parses a body. Unknown keys are ignored, because clients send many.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| ApiError::malformed(format!("invalid body: {error}")))
}
