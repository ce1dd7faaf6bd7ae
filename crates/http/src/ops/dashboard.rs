//! `GET /monitor`: a page that shows how the served models do.

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use super::page::POLICY;
use crate::middleware::{Access, Routes};
use crate::state::ServerState;

/// The whole page, without any other file, in the style of the page at `/`.
const DASHBOARD: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n",
    include_str!("dashboard/head.html"),
    "<style>\n",
    include_str!("page/style.css"),
    include_str!("dashboard/style.css"),
    "</style>\n</head>\n<body>\n",
    include_str!("dashboard/body.html"),
    "<script>\n\"use strict\";\n",
    include_str!("page/common.js"),
    include_str!("dashboard/plots.js"),
    include_str!("dashboard/app.js"),
    "</script>\n</body>\n</html>\n",
);

/// Route of the page.
pub(super) fn routes() -> Routes<ServerState> {
    Routes::new().route(Access::Public, "/monitor", get(page))
}

/// The page. It holds no data: what it shows comes from `/v1/models`, by the key that is entered.
async fn page() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        DASHBOARD,
    )
}

#[cfg(test)]
mod tests {
    use super::DASHBOARD;
    use crate::ops::page::tests::check_document;

    #[test]
    fn the_page_is_one_document_that_writes_no_html() {
        check_document(DASHBOARD);
    }
}
