//! `GET /`: a page where people try the served models.

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::error::ApiError;
use crate::middleware::{Access, Routes};
use crate::state::ServerState;

/// Route of the page. Browsers request an icon too, which there is not.
pub(super) fn routes() -> Routes<ServerState> {
    Routes::new().route(Access::Public, "/", get(page)).route(
        Access::Public,
        "/favicon.ico",
        get(|| async { ApiError::not_found("unknown path; see GET /v1/models") }),
    )
}

/// The page. Its content security policy confines it to this server; a key that is entered stays in the tab.
async fn page() -> impl IntoResponse {
    let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, policy),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        include_str!("page/index.html"),
    )
}
