//! Access to gRPC calls, and errors that never reach their handlers. The default is deny, as for routes.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use cupola_serving::access::{AccessControl, AuditEvent, AuditedCall, Caller};
use futures::FutureExt as _;
use tonic::{Code, Status};
use tower::Service;

use super::access::Access;
use crate::error::ApiError;
use crate::request::token;
use crate::state::RequestLimits;

/// Calls of a gRPC service with the access that each of them requires.
pub(crate) type Calls = &'static [(&'static str, Access)];

#[derive(Clone)]
struct RpcGuard {
    access: Arc<AccessControl>,
    calls: Calls,
    limits: RequestLimits,
}

/// Service of gRPC at `/SERVICE/{call}`, with the access that its calls require.
pub(crate) struct RpcService<T> {
    /// Path with `{call}`.
    pub path: &'static str,
    pub calls: Calls,
    pub service: T,
}

/// Router of a gRPC service. Denials are gRPC statuses. Handlers find the [`Caller`] among the request's
/// extensions.
pub(crate) fn rpc<T>(access: Arc<AccessControl>, limits: RequestLimits, rpc: RpcService<T>) -> Router
where
    T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    T::Response: IntoResponse,
    T::Future: Send + 'static,
{
    let guard = RpcGuard { access, calls: rpc.calls, limits };
    Router::new().route_service(rpc.path, rpc.service).layer(from_fn_with_state(guard, check_rpc))
}

async fn check_rpc(State(guard): State<RpcGuard>, mut request: Request, next: Next) -> Response {
    let call = request.uri().path().rsplit('/').next().unwrap_or_default();
    let required = guard.calls.iter().find(|(name, _)| *name == call).map(|(_, access)| *access);
    let anonymous = required == Some(Access::OptionalKey)
        && !guard.access.is_open()
        && token(request.headers()).is_none();
    if required != Some(Access::Public) && !anonymous {
        match admit_rpc(&guard, request.headers(), required) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
            }
            Err(error) => {
                if let Some(audit) = guard.access.audit() {
                    let (method, path) = (request.method().as_str(), request.uri().path());
                    let status = error.status.as_u16();
                    let event = AuditEvent::Refusal;
                    audit.record(&AuditedCall { event, key: "-", method, path, model: None, status });
                }
                return Status::from(error).into_http::<Body>();
            }
        }
    }
    if request.method() != Method::POST {
        return other_method(request.method());
    }
    // A panic would otherwise close the connection, with all other calls on it.
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = response.unwrap_or_else(|_| Status::from(ApiError::internal()).into_http::<Body>());
    // The decoder of messages reports a large one as out of range.
    if is_out_of_range(response.headers()) {
        return Status::from(ApiError::too_large(guard.limits.body_bytes)).into_http::<Body>();
    }
    response
}

fn is_out_of_range(headers: &HeaderMap) -> bool {
    let code = headers.get(Status::GRPC_STATUS).map(|code| Code::from_bytes(code.as_bytes()));
    code == Some(Code::OutOfRange)
}

/// Response to a method that is not that of gRPC.
fn other_method(method: &Method) -> Response {
    let mut response = if method == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        ApiError::method_not_allowed(method).into_response()
    };
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("POST"));
    response
}

fn admit_rpc(guard: &RpcGuard, headers: &HeaderMap, required: Option<Access>) -> Result<Caller, ApiError> {
    let caller = guard.access.admit(token(headers))?;
    match required {
        Some(Access::Public | Access::OptionalKey | Access::AnyKey) => {}
        Some(Access::Scope(scope)) => caller.require(scope, "")?,
        None if matches!(caller, Caller::Anonymous) => {}
        // The path of a call names no model, so `Model` and `Dataset` are mistakes here.
        None | Some(Access::Model | Access::Dataset) => return Err(ApiError::undeclared()),
    }
    Ok(caller)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use cupola_serving::access::{KeyFile, KeyRing, NewKey, Scope};
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    /// gRPC status code of a call; `None` if the service was reached.
    async fn denied(keys: KeyRing, call: &str, key: Option<&str>) -> Option<HeaderValue> {
        let service = service_fn(|_: Request| async { Ok::<_, Infallible>(Response::new(Body::empty())) });
        let calls: Calls = &[
            ("Live", Access::Public),
            ("Check", Access::OptionalKey),
            ("Infer", Access::AnyKey),
            ("Load", Access::Scope(Scope::Admin)),
            ("Mistake", Access::Model),
        ];
        let limits = RequestLimits { body_bytes: 1, timeout: Duration::from_secs(1), strict: false };
        let service = RpcService { path: "/test.Service/{call}", calls, service };
        let router = rpc(Arc::new(AccessControl::new(keys)), limits, service);
        let mut request = Request::builder().method(Method::POST).uri(format!("/test.Service/{call}"));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        let response = router.oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        response.headers().get("grpc-status").cloned()
    }

    #[tokio::test]
    async fn calls_require_what_they_declare_and_undeclared_ones_are_denied() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        let new = NewKey { name: "t".to_owned(), scopes: vec!["predict".to_owned()], ..NewKey::default() };
        let (_, key) = file.add(&new).unwrap();
        let (unauthenticated, forbidden) = (Some("16"), Some("7"));
        for (call, without, with_key) in [
            ("Live", None, None),
            ("Check", None, None),
            ("Infer", unauthenticated, None),
            ("Load", unauthenticated, forbidden),
            ("Mistake", unauthenticated, forbidden),
            ("Undeclared", unauthenticated, forbidden),
        ] {
            for (key, expected) in [(None, without), (Some(key.as_str()), with_key)] {
                let found = denied(KeyRing::from_file(file.clone()).unwrap(), call, key).await;
                assert_eq!(
                    found.as_ref().map(|code| code.to_str().unwrap()),
                    expected,
                    "{call} with {key:?}"
                );
            }
        }
        assert_eq!(denied(KeyRing::open(), "Undeclared", None).await, None);
    }

    #[tokio::test]
    async fn refused_calls_are_audited_and_other_methods_are_named() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        let new = NewKey { name: "t".to_owned(), scopes: vec!["predict".to_owned()], ..NewKey::default() };
        let (_, key) = file.add(&new).unwrap();
        let mut access = AccessControl::new(KeyRing::from_file(file).unwrap());
        let log = home.path().join("audit.jsonl");
        access.set_audit(&log).unwrap();
        let service = service_fn(|_: Request| async {
            Ok::<_, Infallible>(Status::out_of_range("too long").into_http::<Body>())
        });
        let calls: Calls = &[("Load", Access::Scope(Scope::Admin)), ("Infer", Access::AnyKey)];
        let limits = RequestLimits { body_bytes: 7, timeout: Duration::from_secs(1), strict: false };
        let service = RpcService { path: "/test.Service/{call}", calls, service };
        let access = Arc::new(access);
        let router = rpc(Arc::clone(&access), limits, service);
        let ask = |method: Method, call: &str, key: &str| {
            let path = format!("/test.Service/{call}");
            let request = Request::builder().method(method).uri(path).header("x-api-key", key);
            router.clone().oneshot(request.body(Body::empty()).unwrap())
        };
        ask(Method::POST, "Load", "none").await.unwrap();
        ask(Method::POST, "Load", &key).await.unwrap();
        assert!(access.audit().unwrap().flush(Duration::from_secs(20)));
        let lines = std::fs::read_to_string(&log).unwrap();
        let lines: Vec<serde_json::Value> = lines.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let seen: Vec<_> = lines.iter().map(|line| (&line["path"], line["status"].as_u64())).collect();
        let path = serde_json::json!("/test.Service/Load");
        assert_eq!(seen, [(&path, Some(401)), (&path, Some(403))]);
        let response = ask(Method::OPTIONS, "Infer", &key).await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (204, &"POST".parse().unwrap())
        );
        assert_eq!(ask(Method::GET, "Infer", &key).await.unwrap().status().as_u16(), 405);
        // Messages above the limit have gRPC's code for them.
        let response = ask(Method::POST, "Infer", &key).await.unwrap();
        let message = response.headers()["grpc-message"].to_str().unwrap();
        assert!(response.headers()["grpc-status"] == "8" && message.contains('7'), "{message}");
    }
}
