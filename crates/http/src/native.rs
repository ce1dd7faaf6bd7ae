//! Cupola's own protocol: raw rows in, typed predictions out.

mod explain;
mod feedback;
mod files;
pub(crate) mod interval;
mod models;
mod monitor;
mod options;
mod predict;
mod rows;
mod unknown;

use axum::routing::{get, post};

use crate::middleware::{Access, Routes};
use crate::state::ServerState;

/// Routes of the protocol.
pub(crate) fn routes() -> Routes<ServerState> {
    Routes::new()
        .route(Access::AnyKey, "/v1/models", get(models::list))
        .route(Access::AnyKey, "/v1/models/{name}", get(models::get))
        .route(Access::AnyKey, "/v1/models/{name}/monitor", get(monitor::get))
        .route(Access::Model, "/v1/models/{name}/predict", post(predict::predict))
        .route(Access::Model, "/v1/models/{name}/feedback", post(feedback::push))
        .route(Access::Dataset, "/v1/datasets/{name}/rows", post(rows::push))
}
