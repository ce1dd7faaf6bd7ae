//! Access to gRPC calls, limits of their messages, and errors that never reach their handlers. The default is deny, as for routes.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use cupola_budget::Accounts;
use cupola_serving::access::{AccessControl, AuditEvent, AuditedCall, Caller};
use futures::FutureExt as _;
use tonic::{Code, Status};
use tower::Service;

use super::access::Access;
use super::message::{MessageBody, MessageLimits};
use super::time_limit::BODY_GRACE;
use crate::error::ApiError;
use crate::request::{budget_of, token};
use crate::state::{RequestLimits, ServerState};

/// Largest message of a call that carries no tensors.
const SMALL_MESSAGE: usize = 64 << 10;
/// Time between two messages of a stream.
const STREAM_IDLE: Duration = Duration::from_mins(5);

/// Calls of a gRPC service with the access that each of them requires.
pub(crate) type Calls = &'static [(&'static str, Access)];

/// Parts of the server's state that the checks of calls need.
#[derive(Clone)]
pub(crate) struct RpcContext {
    pub access: Arc<AccessControl>,
    pub limits: RequestLimits,
    pub accounts: Accounts,
}

impl From<&ServerState> for RpcContext {
    fn from(state: &ServerState) -> Self {
        Self { access: Arc::clone(&state.access), limits: state.limits, accounts: state.accounts.clone() }
    }
}

/// Service of gRPC at `/SERVICE/{call}`, with the access that its calls require.
pub(crate) struct RpcService<T> {
    /// Path with `{call}`.
    pub path: &'static str,
    pub calls: Calls,
    /// Calls of the service that another listener serves.
    pub elsewhere: &'static [&'static str],
    /// Calls whose messages may be as large as a body.
    pub large: &'static [&'static str],
    /// Calls whose client sends a stream of messages.
    pub streams: &'static [&'static str],
    pub service: T,
}

#[derive(Clone)]
struct RpcGuard {
    context: RpcContext,
    calls: Calls,
    elsewhere: &'static [&'static str],
    large: &'static [&'static str],
    streams: &'static [&'static str],
}

impl RpcGuard {
    /// Limits of the messages of a call.
    fn messages(&self, call: &str) -> MessageLimits {
        let body_bytes = self.context.limits.body_bytes;
        MessageLimits {
            bytes: if self.large.contains(&call) { body_bytes } else { body_bytes.min(SMALL_MESSAGE) },
            time: self.context.limits.timeout.saturating_add(BODY_GRACE),
            between: self.streams.contains(&call).then_some(STREAM_IDLE),
        }
    }
}

/// Router of a gRPC service. Denials are gRPC statuses. Handlers find the [`Caller`] among the request's
/// extensions.
pub(crate) fn rpc<T>(context: RpcContext, rpc: RpcService<T>) -> Router
where
    T: Service<Request, Error = Infallible> + Clone + Send + Sync + 'static,
    T::Response: IntoResponse,
    T::Future: Send + 'static,
{
    let RpcService { path, calls, elsewhere, large, streams, service } = rpc;
    let guard = RpcGuard { context, calls, elsewhere, large, streams };
    Router::new().route_service(path, service).layer(from_fn_with_state(guard, check_rpc))
}

async fn check_rpc(State(guard): State<RpcGuard>, mut request: Request, next: Next) -> Response {
    let call = request.uri().path().rsplit('/').next().unwrap_or_default();
    if guard.elsewhere.contains(&call) {
        return Status::from(ApiError::other_listener(call)).into_http::<Body>();
    }
    let required = guard.calls.iter().find(|(name, _)| *name == call).map(|(_, access)| *access);
    let limits = guard.messages(call);
    let access = &guard.context.access;
    let anonymous =
        required == Some(Access::OptionalKey) && !access.is_open() && token(request.headers()).is_none();
    if required != Some(Access::Public) && !anonymous {
        match admit_rpc(access, request.headers(), required) {
            Ok(caller) => {
                request.extensions_mut().insert(caller);
            }
            Err(error) => {
                if let Some(audit) = access.audit() {
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
    // The account of the messages; a handler has its own deadline.
    let budget = budget_of(&guard.context.accounts, request.extensions().get(), Duration::MAX);
    let request = request.map(|body| Body::new(MessageBody::new(body, limits, budget)));
    // A panic would otherwise close the connection, with all other calls on it.
    let response = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    let response = response.unwrap_or_else(|_| Status::from(ApiError::internal()).into_http::<Body>());
    // The decoder of messages reports a large one as out of range.
    if is_out_of_range(response.headers()) {
        return Status::from(ApiError::too_large(limits.bytes)).into_http::<Body>();
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

fn admit_rpc(
    access: &AccessControl,
    headers: &HeaderMap,
    required: Option<Access>,
) -> Result<Caller, ApiError> {
    let caller = access.admit(token(headers))?;
    match required {
        Some(Access::Public | Access::OptionalKey | Access::AnyKey) => {}
        Some(Access::Scope(scope)) => access.authorize(&caller, scope, "")?,
        None if matches!(caller, Caller::Anonymous) => {}
        // The path of a call names no model, so `Model` and `Dataset` are mistakes here.
        None | Some(Access::Model | Access::Dataset) => return Err(ApiError::undeclared()),
    }
    Ok(caller)
}

#[cfg(test)]
mod tests {
    use cupola_budget::MemoryLimits;
    use cupola_serving::access::{KeyFile, KeyRing, NewKey, Scope};
    use tower::{ServiceExt as _, service_fn};

    use super::*;

    fn router<T>(access: AccessControl, calls: Calls, service: T) -> (Arc<AccessControl>, Router)
    where
        T: Service<Request, Response = Response, Error = Infallible> + Clone + Send + Sync + 'static,
        T::Future: Send + 'static,
    {
        let (path, elsewhere, access) = ("/test.Service/{call}", &["Moved"], Arc::new(access));
        let limits = RequestLimits { body_bytes: 7, timeout: Duration::from_secs(1), strict: false };
        let accounts = Accounts::new(MemoryLimits::default());
        let context = RpcContext { access: Arc::clone(&access), limits, accounts };
        let service = RpcService { path, calls, elsewhere, large: &[], streams: &[], service };
        (access, rpc(context, service))
    }

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
        let (_, router) = router(AccessControl::new(keys), calls, service);
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
            ("Moved", Some("12"), Some("12")),
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
        let (access, router) = router(access, calls, service);
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
