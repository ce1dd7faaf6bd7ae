//! `GET /`: a page where people try the served models.

use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::error::ApiError;
use crate::middleware::{Access, Routes};
use crate::state::ServerState;

/// The whole page: one document without any other file, so that its policy allows none. The scripts share one scope, in
/// this order.
const PAGE: &str = concat!(
    "<!doctype html>\n<html lang=\"en\">\n<head>\n",
    include_str!("page/head.html"),
    "<style>\n",
    include_str!("page/style.css"),
    "</style>\n</head>\n<body>\n",
    include_str!("page/body.html"),
    "<script>\n\"use strict\";\n",
    include_str!("page/common.js"),
    include_str!("page/result.js"),
    include_str!("page/explain.js"),
    include_str!("page/form.js"),
    include_str!("page/draw.js"),
    include_str!("page/forecast.js"),
    include_str!("page/markdown.js"),
    include_str!("page/chat.js"),
    include_str!("page/app.js"),
    "</script>\n</body>\n</html>\n",
);

/// Content security policy of pages: it confines them to this server.
pub(super) const POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; connect-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

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
    (
        [
            (header::CONTENT_TYPE, "text/html; charset=utf-8"),
            (header::CONTENT_SECURITY_POLICY, POLICY),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        ],
        PAGE,
    )
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeSet;

    use super::PAGE;

    #[test]
    fn the_page_is_one_document_that_writes_no_html() {
        check_document(PAGE);
    }

    /// Checks that a page has one script, and none that writes HTML.
    pub(in crate::ops) fn check_document(page: &str) {
        assert_eq!((page.matches("<script>").count(), page.matches("</script>").count()), (1, 1));
        assert!(page.starts_with("<!doctype html>") && page.ends_with("</html>\n"));
        // Texts of models and files become text nodes only.
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "src=\"http",
            "@import",
        ] {
            assert!(!page.contains(sink), "{sink}");
        }
        assert_eq!(declared_twice(page), Vec::<&str>::new(), "a browser refuses the whole script");
    }

    /// Names that the files of a page declare more than once at the top of their joined script.
    fn declared_twice(page: &str) -> Vec<&str> {
        let keywords = ["const ", "let ", "class ", "function ", "async function "];
        let declared = page.lines().filter_map(|line| {
            let rest = keywords.iter().find_map(|keyword| line.strip_prefix(keyword))?;
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && !"_$".contains(letter))?;
            Some(&rest[..end]).filter(|name| !name.is_empty())
        });
        let mut seen = BTreeSet::new();
        declared.filter(|name| !seen.insert(*name)).collect()
    }

    #[test]
    fn a_name_that_two_files_declare_is_found() {
        let page = "const $ = 1;\nconst short = value => value;\n  const short = 2;\nlet turn = 0;\n";
        assert_eq!(declared_twice(page), Vec::<&str>::new());
        let page = format!("{page}async function turn() {{}}\nfunction $() {{}}\n");
        assert_eq!(declared_twice(&page), ["turn", "$"]);
    }
}
