//! Entry of every listener, before routing: the panic boundary, foreign pages, trailing slashes, `OPTIONS`,
//! complete `Allow` headers, CORS.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;

use axum::Router;
use axum::extract::Request;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use futures::FutureExt as _;
use tower::{ServiceExt as _, service_fn};
use tower_http::cors::CorsLayer;

use super::browser::BrowserRules;
use super::refusal::RefusalFormat;
use crate::error::ApiError;

/// Methods of the server as a whole.
const METHODS: &str = "GET, HEAD, POST, OPTIONS";

/// Router that normalises requests before `router` sees them.
pub(crate) fn front(router: Router, cors: Option<CorsLayer>, browsers: Option<BrowserRules>) -> Router {
    let with_cors = cors.map(|cors| router.clone().layer(cors));
    let front = Front { router, with_cors, browsers };
    Router::new().fallback_service(service_fn(move |request| front.clone().respond(request)))
}

#[derive(Clone)]
struct Front {
    router: Router,
    /// The router behind the rules for web pages of other origins; `None` if there are no such rules.
    with_cors: Option<Router>,
    /// Rules for pages of others; `None` for requests of this process.
    browsers: Option<BrowserRules>,
}

impl Front {
    /// Responds, also if a layer or a handler panics: that would otherwise close the connection, with all other
    /// requests on it.
    async fn respond(self, request: Request) -> Result<Response, Infallible> {
        let format = RefusalFormat::of(&request);
        let response = AssertUnwindSafe(self.route(request)).catch_unwind().await;
        response.unwrap_or_else(|_| Ok(format.respond(ApiError::internal())))
    }

    async fn route(self, mut request: Request) -> Result<Response, Infallible> {
        if let Some(Err(error)) = self.browsers.as_ref().map(|rules| rules.check(&request)) {
            return Ok(RefusalFormat::of(&request).respond(error));
        }
        let options = *request.method() == Method::OPTIONS;
        if options && request.uri().path() == "*" {
            return Ok((StatusCode::NO_CONTENT, [(header::ALLOW, METHODS)]).into_response());
        }
        trim_slash(request.uri_mut());
        // The CORS layer takes each `OPTIONS` for the preflight request of a browser.
        let plain = options && !request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
        let router = self.with_cors.filter(|_| !plain).unwrap_or(self.router);
        let mut response = router.oneshot(request).await?;
        complete_allow(response.headers_mut());
        Ok(response)
    }
}

/// Removes slashes from the end of a path, but for the path `/`.
fn trim_slash(uri: &mut Uri) {
    let path = uri.path();
    let trimmed = path.trim_end_matches('/');
    if trimmed.is_empty() || trimmed.len() == path.len() {
        return;
    }
    let text = uri.query().map_or_else(|| trimmed.to_owned(), |query| format!("{trimmed}?{query}"));
    let Ok(trimmed) = PathAndQuery::try_from(text) else { return };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(trimmed);
    if let Ok(changed) = Uri::from_parts(parts) {
        *uri = changed;
    }
}

/// Adds `OPTIONS`, which every path supports, to the methods that the router lists.
fn complete_allow(headers: &mut HeaderMap) {
    let Some(allow) = headers.get(header::ALLOW).and_then(|value| value.to_str().ok()) else { return };
    let mut methods: Vec<&str> =
        allow.split(',').map(str::trim).filter(|method| !method.is_empty()).collect();
    if !methods.contains(&Method::OPTIONS.as_str()) {
        methods.push(Method::OPTIONS.as_str());
    }
    if let Ok(value) = HeaderValue::from_str(&methods.join(", ")) {
        headers.insert(header::ALLOW, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_layer_is_a_response() {
        let layer = axum::middleware::from_fn(|_: Request, _: axum::middleware::Next| async {
            let shares: Vec<u8> = Vec::new();
            StatusCode::from_u16(u16::from(shares[0])).unwrap_or_default()
        });
        let router = Router::new().route("/", axum::routing::get(|| async {})).layer(layer);
        let response =
            front(router, None, None).oneshot(Request::new(axum::body::Body::empty())).await.unwrap();
        assert_eq!(response.status().as_u16(), 500);
    }

    #[test]
    fn slashes_are_removed_from_the_end_of_a_path_only() {
        for (given, expected) in [
            ("/", "/"),
            ("/v1/models", "/v1/models"),
            ("/v1/models/", "/v1/models"),
            ("/v1/models//", "/v1/models"),
            ("/v1/models/?a=b/", "/v1/models?a=b/"),
            ("/?a=b", "/?a=b"),
            ("//", "//"),
            ("/v1/models/a%2F/", "/v1/models/a%2F"),
            ("http://host/v2/", "http://host/v2"),
        ] {
            let mut uri: Uri = given.parse().unwrap();
            trim_slash(&mut uri);
            assert_eq!(uri.to_string(), expected, "{given}");
        }
    }

    #[test]
    fn allow_lists_options_once() {
        for (given, expected) in
            [("GET,HEAD", "GET, HEAD, OPTIONS"), ("POST, OPTIONS", "POST, OPTIONS"), ("", "OPTIONS")]
        {
            let mut headers = HeaderMap::new();
            headers.insert(header::ALLOW, HeaderValue::from_static(given));
            complete_allow(&mut headers);
            assert_eq!(headers[header::ALLOW], expected);
        }
    }
}
