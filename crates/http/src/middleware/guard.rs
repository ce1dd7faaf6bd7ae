//! Access to routes: each route is registered with the access that it requires, and a middleware checks it.
//!
//! The default is deny: at a server with keys, a route without declared access cannot be reached.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRequestParts, MatchedPath, RawPathParams, Request, State};
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::MethodRouter;
use cupola_serving::access::{AccessControl, AuditEvent, AuditedCall, Caller, PendingCall, Scope};

use super::access::Access;
use crate::error::{ApiError, ErrorFormat};
use crate::request::token;

type AccessTable = HashMap<&'static str, Access>;

/// Routes with the access that each of them requires.
pub(crate) struct Routes<S> {
    router: Router<S>,
    table: AccessTable,
}

impl<S: Clone + Send + Sync + 'static> Routes<S> {
    /// No routes.
    pub fn new() -> Self {
        Self { router: Router::new(), table: AccessTable::new() }
    }

    /// Adds a route. This is the only way to make one reachable.
    pub fn route(mut self, access: Access, path: &'static str, methods: MethodRouter<S>) -> Self {
        self.table.insert(path, access);
        Self { router: self.router.route(path, methods), table: self.table }
    }

    /// Paths of all routes.
    #[cfg(test)]
    pub fn paths(&self) -> std::collections::BTreeSet<&'static str> {
        self.table.keys().copied().collect()
    }

    /// Adds all routes of another protocol.
    pub fn merge(mut self, other: Self) -> Self {
        self.table.extend(other.table);
        Self { router: self.router.merge(other.router), table: self.table }
    }

    /// Router behind `inner` layers, which in turn are behind the access check.
    pub fn guarded(
        self,
        access: Arc<AccessControl>,
        inner: impl FnOnce(Router<S>) -> Router<S>,
    ) -> Router<S> {
        let guard = Guard { access, table: Arc::new(self.table) };
        inner(self.router).layer(from_fn_with_state(guard, check))
    }
}

#[derive(Clone)]
struct Guard {
    access: Arc<AccessControl>,
    table: Arc<AccessTable>,
}

impl Guard {
    /// Access that a request requires; `None` if its route declares none. Unknown paths require a key, so that
    /// they look the same as others to callers without one.
    fn required(&self, parts: &Parts) -> Option<Access> {
        let Some(path) = parts.extensions.get::<MatchedPath>() else { return Some(Access::AnyKey) };
        self.table.get(path.as_str()).copied()
    }

    /// Admits the caller of a request.
    async fn admit(&self, parts: &mut Parts, required: Option<Access>) -> Result<Caller, ApiError> {
        let caller = self.access.admit(token(&parts.headers))?;
        match required {
            None if matches!(caller, Caller::Anonymous) => {}
            None => return Err(ApiError::undeclared()),
            Some(Access::Public | Access::OptionalKey | Access::AnyKey) => {}
            Some(Access::Scope(scope)) => self.access.authorize(&caller, scope, "")?,
            Some(Access::Model) => {
                let name = path_name(parts).await;
                let name = name.split_once(':').map_or(name.as_str(), |(name, _)| name);
                caller.require(Scope::Predict, name)?;
            }
            Some(Access::Dataset) => caller.require(Scope::Rows, &path_name(parts).await)?,
        }
        Ok(caller)
    }
}

/// Value of `{name}`. An empty name, as for a path that is not UTF-8, requires the scope for all names.
async fn path_name(parts: &mut Parts) -> String {
    let Ok(parameters) = RawPathParams::from_request_parts(parts, &()).await else { return String::new() };
    let name = parameters.iter().find(|(key, _)| *key == "name");
    name.map(|(_, value)| value.to_owned()).unwrap_or_default()
}

/// Checks access, passes the [`Caller`] on to the handler, and writes the audit log.
async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let required = guard.required(&parts);
    if required == Some(Access::Public) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    if required == Some(Access::OptionalKey) && !guard.access.is_open() && token(&parts.headers).is_none() {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
    match guard.admit(&mut parts, required).await {
        Ok(caller) => {
            let id = caller.id().to_owned();
            parts.extensions.insert(caller);
            if required != Some(Access::Scope(Scope::Admin)) {
                return next.run(Request::from_parts(parts, body)).await;
            }
            let call = AuditedCall {
                event: AuditEvent::Administration,
                key: &id,
                method: method.as_str(),
                path: &path,
                model: None,
                status: 0,
            };
            // A client that goes away drops this future, but not what it has begun.
            let pending = PendingCall::new(guard.access.audit(), call);
            let response = next.run(Request::from_parts(parts, body)).await;
            pending.finish(response.status().as_u16());
            response
        }
        Err(error) => {
            if let Some(audit) = guard.access.audit() {
                let status = error.status.as_u16();
                audit.record(&AuditedCall {
                    event: AuditEvent::Refusal,
                    key: "-",
                    method: method.as_str(),
                    path: &path,
                    model: None,
                    status,
                });
            }
            ErrorFormat::of_path(&path).respond(error)
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::routing::get;
    use cupola_serving::access::{KeyFile, KeyRing, NewKey};
    use tower::ServiceExt as _;

    use super::*;

    fn routes() -> Routes<()> {
        let ok = || get(|| async {});
        let mut routes = Routes::new()
            .route(Access::Public, "/health", ok())
            .route(Access::AnyKey, "/v1/models", ok())
            .route(Access::Scope(Scope::Admin), "/load", ok())
            .route(Access::Model, "/v1/models/{name}/predict", ok())
            .route(Access::Model, "/v2/models/{name}/versions/{version}/infer", ok())
            .route(Access::Dataset, "/v1/datasets/{name}/rows", ok());
        routes.router = routes.router.route("/undeclared", ok());
        routes
    }

    async fn status(keys: KeyRing, path: &str, key: Option<&str>) -> StatusCode {
        let router = routes().guarded(Arc::new(AccessControl::new(keys)), |router| router);
        let mut request = Request::builder().uri(path);
        if let Some(key) = key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        router.with_state(()).oneshot(request.body(Body::empty()).unwrap()).await.unwrap().status()
    }

    #[tokio::test]
    async fn routes_require_what_they_declare_and_undeclared_ones_are_denied() {
        let home = tempfile::tempdir().unwrap();
        let file = KeyFile::new(home.path());
        let add = |scopes: &[&str]| {
            let scopes = scopes.iter().map(|scope| (*scope).to_owned()).collect();
            file.add(&NewKey { name: "t".to_owned(), scopes, ..NewKey::default() }).unwrap().1
        };
        let (named, admin) = (add(&["predict:m", "rows:d"]), add(&["admin"]));
        let keys = || KeyRing::from_file(file.clone()).unwrap();
        for (path, without, with_named, with_admin) in [
            ("/health", 200, 200, 200),
            ("/v1/models", 401, 200, 200),
            ("/load", 401, 403, 200),
            ("/v1/models/m/predict", 401, 200, 200),
            ("/v1/models/m:3/predict", 401, 200, 200),
            ("/v1/models/%6d/predict", 401, 200, 200),
            ("/v1/models/other/predict", 401, 403, 200),
            ("/v2/models/m/versions/3/infer", 401, 200, 200),
            ("/v2/models/n/versions/3/infer", 401, 403, 200),
            ("/v1/datasets/d/rows", 401, 200, 200),
            ("/v1/datasets/e/rows", 401, 403, 200),
            ("/nothing", 401, 404, 404),
            ("/undeclared", 401, 403, 403),
        ] {
            for (key, expected) in [(None, without), (Some(&named), with_named), (Some(&admin), with_admin)] {
                let found = status(keys(), path, key.map(String::as_str)).await;
                assert_eq!(found.as_u16(), expected, "{path} with {key:?}");
            }
            let open = status(KeyRing::open(), path, None).await.as_u16();
            assert_eq!(open, if path == "/nothing" { 404 } else { 200 }, "{path} of an open server");
        }
    }
}
