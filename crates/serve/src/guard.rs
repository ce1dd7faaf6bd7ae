//! Every request passes here first: who asks, and whether that may be.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::answer::Refusal;
use crate::keys::{Caller, Denied};
use crate::state::Shared;

/// What a path needs. `None` is for everybody; an empty scope is for everybody with a key.
fn needed(path: &str) -> Option<(&'static str, &str)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    match parts.as_slice() {
        ["health", ..] | ["v2", "health", ..] | ["" | "openapi.json" | "favicon.ico"] => None,
        ["metrics"] => Some(("metrics", "")),
        ["v1", "datasets", name, "rows"] => Some(("rows", name)),
        // `NAME:VERSION` needs what NAME does.
        ["v1", "models", name, "predict" | "feedback"] => {
            Some(("predict", name.split_once(':').map_or(*name, |(name, _)| name)))
        }
        ["v2", "models", name, .., "infer"] => Some(("predict", name)),
        ["v2", "repository", "index"] => Some(("", "")),
        ["v2", "repository", ..] | ["admin", ..] => Some(("admin", "")),
        _ => Some(("", "")),
    }
}

/// Tells who asks to those who answer, or refuses.
pub(crate) async fn guard(State(app): State<Arc<Shared>>, mut request: Request, next: Next) -> Response {
    let Some((scope, name)) = needed(request.uri().path()) else { return next.run(request).await };
    match admitted(&app, request.headers(), scope, name) {
        Ok(caller) => {
            let audited = (scope == "admin").then_some(app.audit.as_ref()).flatten();
            let Some(audit) = audited else {
                request.extensions_mut().insert(caller);
                return next.run(request).await;
            };
            let (key, method, path) =
                (caller.id().to_owned(), request.method().clone(), request.uri().path().to_owned());
            request.extensions_mut().insert(caller);
            let response = next.run(request).await;
            audit.note(&key, method.as_str(), &path, response.status().as_u16());
            response
        }
        Err(refusal) => {
            if let Some(audit) = &app.audit {
                let status = refusal.status.as_u16();
                audit.note("-", request.method().as_str(), request.uri().path(), status);
            }
            let path = request.uri().path();
            if path.starts_with("/v2") { refusal.into_text_response() } else { refusal.into_response() }
        }
    }
}

/// The caller, who may use a scope of a model or dataset.
pub(crate) fn admitted(
    app: &Shared,
    headers: &HeaderMap,
    scope: &str,
    name: &str,
) -> Result<Caller, Refusal> {
    let caller = app.keys.admit(token(headers)).map_err(|denied| match denied {
        Denied::Unknown => {
            let message = "a key, or a token that is good, is needed; send it as `Authorization: Bearer ...`";
            Refusal::new(StatusCode::UNAUTHORIZED, "no_key", message)
        }
        Denied::Rate(wait) => {
            let seconds = wait.as_secs() + 1;
            let message = format!("this key asks too often; try again in {seconds} s");
            let mut refusal = Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate", message);
            refusal.again = Some(seconds);
            refusal
        }
    })?;
    if scope.is_empty() || caller.may(scope, name) {
        return Ok(caller);
    }
    Err(forbidden(&caller, scope, name))
}

/// A key that is for something else.
pub(crate) fn forbidden(caller: &Caller, scope: &str, name: &str) -> Refusal {
    let of = if name.is_empty() { String::new() } else { format!(":{name}") };
    let message = format!("key {} is not for {scope}{of}; use one that is", caller.id());
    Refusal::new(StatusCode::FORBIDDEN, "not_for_this", message)
}

/// `Authorization: Bearer TOKEN`, or `x-api-key: TOKEN`.
fn token(headers: &HeaderMap) -> Option<&str> {
    let bearer = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|text| text.strip_prefix("Bearer ").or(text.strip_prefix("bearer ")));
    bearer.or_else(|| headers.get("x-api-key").and_then(|value| value.to_str().ok())).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::needed;

    #[test]
    fn paths_need_what_they_touch() {
        assert_eq!(needed("/health/live"), None);
        assert_eq!(needed("/v1/models/m/predict"), Some(("predict", "m")));
        assert_eq!(needed("/v1/models/m:3/predict"), Some(("predict", "m")));
        assert_eq!(needed("/v2/models/m/versions/3/infer"), Some(("predict", "m")));
        assert_eq!(needed("/v1/datasets/d/rows"), Some(("rows", "d")));
        assert_eq!(needed("/v2/repository/models/m/load"), Some(("admin", "")));
        assert_eq!(needed("/v1/embeddings"), Some(("", "")));
    }
}
