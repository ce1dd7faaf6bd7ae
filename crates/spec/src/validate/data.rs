//! What does not go together in `[data]` and `[[expect]]`.

use crate::data::{Data, Engine};
use crate::data::{Expectation, Severity};

/// Keys of `[data]` with what is wrong.
pub(crate) fn unfit_data(data: &Data) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    let mut say = |key: &str, why: &str| wrong.push((format!("/data/{key}"), why.to_owned()));
    let sources =
        data.source.patterns().iter().chain(data.test_source.iter().flat_map(crate::data::Source::patterns));
    if sources.into_iter().any(|source| tells_password(source)) {
        say("source", "a password has no place in a config; write `${NAME}` and set it in the environment");
    }
    if data.api.is_some() && data.page.is_some() {
        say("page", "`api` reads JSON, `page` reads HTML; remove one");
    }
    if data.watermark.is_some() && data.sql.is_none() {
        say("watermark", "a watermark is for a database that is asked by `sql`; remove it");
    }
    match (data.engine, &data.url) {
        (Engine::Ballista, None) => {
            say("url", "a cluster has a scheduler; write `url = \"df://HOST:50050\"`");
        }
        (Engine::Local, Some(_)) => say("url", "it is for `engine = \"ballista\"`; write that, or remove it"),
        _ => {}
    }
    for (name, value) in &data.kafka {
        if (name.contains("password") || name.contains("secret")) && !value.contains("${") {
            let why = "a secret has no place in a config; write `${NAME}` and set it in the environment";
            say(&format!("kafka/{name}"), why);
        }
    }
    if let Some(api) = &data.api {
        if api.parameter.is_some() != (api.cursor.is_some() || api.first.is_some()) {
            say("api/parameter", "`parameter` goes with `cursor` or with `first`; write both, or none");
        }
        if api.next.is_some() && api.parameter.is_some() {
            say("api/next", "`next` is a whole address; remove `parameter`");
        }
    }
    for (name, value) in data.http.iter().flat_map(|http| &http.headers) {
        let lower = name.to_lowercase();
        let secret = ["auth", "token", "key", "cookie", "secret"].iter().any(|word| lower.contains(word));
        if secret && !value.contains("${") {
            let why = "a secret has no place in a config; write `${NAME}` and set it in the environment";
            say(&format!("http/headers/{name}"), why);
        }
    }
    wrong
}

/// Whether a URL holds a password in plain text.
fn tells_password(source: &str) -> bool {
    let Some((_, rest)) = source.split_once("://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    let Some((user, _)) = authority.rsplit_once('@') else { return false };
    user.split_once(':').is_some_and(|(_, password)| !password.is_empty() && !password.contains("${"))
}

/// Keys of `[[expect]]` with what is wrong.
pub(crate) fn unfit_expectations(expect: &[Expectation]) -> Vec<(String, String)> {
    let mut wrong = Vec::new();
    for (index, expectation) in expect.iter().enumerate() {
        let mut say = |key: &str, why: &str| wrong.push((format!("/expect/{index}{key}"), why.to_owned()));
        if expectation.on_column() && expectation.column.is_none() {
            say("", "a condition on values needs `column`");
        }
        if !expectation.on_column() && expectation.rows.is_none() {
            say("", "nothing is expected; write `required = true`, `range = [0, 120]` or another condition");
        }
        if expectation.range.is_some_and(|[low, high]| low > high) {
            say("/range", "the least value comes first; turn them round");
        }
        if expectation.rows.is_some_and(|[low, high]| low > high) {
            say("/rows", "the least number comes first; turn them round");
        }
        if expectation.severity == Severity::Quarantine && !expectation.by_row() {
            say("/severity", "a condition on the whole table takes no row out; write `warn` or `fail`");
        }
    }
    wrong
}
