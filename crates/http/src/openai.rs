//! Embeddings, completions and chats for `OpenAI`'s clients
//! (<https://platform.openai.com/docs/api-reference>).
//!
//! Bodies name their model, so the routes require any key and the handlers check the scope.

mod body;
mod completions;
mod embeddings;
mod fields;
mod input;
mod logprobs;
mod messages;
mod params;
mod stream;
mod tool_calls;
mod tools;

use axum::routing::post;

use crate::middleware::{Access, Routes};
use crate::state::ServerState;

/// Routes of the protocol.
pub(crate) fn routes() -> Routes<ServerState> {
    Routes::new()
        .route(Access::AnyKey, "/v1/embeddings", post(embeddings::embeddings))
        .route(Access::AnyKey, "/v1/completions", post(completions::completions))
        .route(Access::AnyKey, "/v1/chat/completions", post(completions::chat))
}
