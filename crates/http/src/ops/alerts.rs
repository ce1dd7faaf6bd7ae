//! `/v1/alerts`: states of alerts, and silences.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::routing::{get, post};
use axum::{Extension, Json};
use cupola_serving::access::{Caller, Scope};
use cupola_serving::notify::{AlertWatch, NewSilence};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::middleware::{Access, Routes};
use crate::request::UnreadBody;
use crate::state::ServerState;

pub(super) fn routes() -> Routes<ServerState> {
    Routes::new().route(Access::Scope(Scope::Metrics), "/v1/alerts", get(status)).route(
        Access::Scope(Scope::Admin),
        "/v1/alerts/silences",
        post(silence).delete(unsilence),
    )
}

/// `GET /v1/alerts`
async fn status(State(alerts): State<Option<Arc<AlertWatch>>>) -> Json<Value> {
    let none = || json!({ "alerts": [], "silences": [], "rules": [], "receivers": [] });
    Json(alerts.map_or_else(none, |alerts| alerts.status()))
}

fn watch(alerts: Option<Arc<AlertWatch>>) -> Result<Arc<AlertWatch>, ApiError> {
    alerts.ok_or_else(|| {
        ApiError::not_found("this server has no alerts; declare them as `[[alert]]` in its config")
    })
}

/// `POST /v1/alerts/silences`
async fn silence(
    State(alerts): State<Option<Arc<AlertWatch>>>,
    Extension(caller): Extension<Caller>,
    body: UnreadBody,
) -> Result<Json<Value>, ApiError> {
    let alerts = watch(alerts)?;
    let new: NewSilence = serde_json::from_slice(&body.read().await?).map_err(|error| {
        ApiError::malformed(format!(
            "{error}; expected {{\"matchers\": [{{\"name\": \"model\", \"value\": \"prices\"}}], \"minutes\": 60}}"
        ))
    })?;
    let author = caller.id().to_owned();
    let added = tokio::task::spawn_blocking(move || alerts.silence(new, &author)).await;
    let added = added.map_err(|_| ApiError::internal())??;
    Ok(Json(json!(added)))
}

#[derive(Deserialize)]
struct SilenceId {
    id: String,
}

/// `DELETE /v1/alerts/silences?id=ID`
async fn unsilence(
    State(alerts): State<Option<Arc<AlertWatch>>>,
    Query(SilenceId { id }): Query<SilenceId>,
) -> Result<Json<Value>, ApiError> {
    let alerts = watch(alerts)?;
    let name = id.clone();
    let ended = tokio::task::spawn_blocking(move || alerts.unsilence(&name)).await;
    match ended.map_err(|_| ApiError::internal())? {
        true => Ok(Json(json!({ "ended": id }))),
        false => Err(ApiError::not_found("unknown silence; GET /v1/alerts lists them")),
    }
}
