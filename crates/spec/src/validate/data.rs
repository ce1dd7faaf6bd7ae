//! Rules of `[data]` and `[[expect]]`.

use crate::data::{Data, Expectation, QueryEngine, RaggedRows, Severity, Source, plain_secret};
use crate::validate::Findings;

const SECRET: &str =
    "a secret must not be written in a config; write `${NAME}` and set NAME in the environment";

pub(super) fn check(data: &Data, found: &mut Findings) {
    check_secrets(data, found);
    check_format(data, found);
    found.add_if(
        data.api.is_some() && data.page.is_some(),
        "/data/page",
        "`api` (JSON) and `page` (HTML) exclude each other; remove one",
    );
    found.add_if(
        data.max_ratio == Some(0),
        "/data/max_ratio",
        "the ratio must be 1 or more; write a number such as 1000",
    );
    found.add_if(
        !data.allow_outside.is_empty() && data.files.is_none(),
        "/data/allow_outside",
        "`allow_outside` requires `files`, the column that names files; write that, or remove `allow_outside`",
    );
    found.add_if(
        data.watermark.is_some() && data.sql.is_none(),
        "/data/watermark",
        "`watermark` requires a database source with `sql`; remove it, or write `sql`",
    );
    match (data.engine, &data.url) {
        (QueryEngine::Ballista, None) => {
            found.add(
                "/data/url",
                "`engine = \"ballista\"` requires `url`; write `url = \"df://HOST:50050\"`",
            );
        }
        (QueryEngine::Local, Some(_)) => {
            found.add("/data/url", "`url` requires `engine = \"ballista\"`; write that, or remove `url`");
        }
        _ => {}
    }
    let Some(api) = &data.api else { return };
    found.add_if(
        api.parameter.is_some() != (api.cursor.is_some() || api.first.is_some()),
        "/data/api/parameter",
        "`parameter` and one of `cursor` and `first` require each other; write both, or neither",
    );
    found.add_if(
        api.next.is_some() && api.parameter.is_some(),
        "/data/api/next",
        "`next` is a complete URL, so `parameter` has no effect; remove `parameter`",
    );
}

/// Spelling of delimited text.
fn check_format(data: &Data, found: &mut Findings) {
    let fits = |mark: char| mark.is_ascii() && !mark.is_ascii_alphanumeric() && !"\"\r\n\0".contains(mark);
    found.add_if(
        data.delimiter.is_some_and(|mark| !fits(mark)),
        "/data/delimiter",
        "the delimiter must be one ASCII character other than a letter, a digit, a quote or a line end; write `\";\"` or `\"\\t\"`",
    );
    found.add_if(
        data.comment.is_some_and(|mark| !fits(mark) || mark.is_whitespace()),
        "/data/comment",
        "a comment must start with one ASCII character other than a letter, a digit, a blank or a quote; write `\"#\"`",
    );
    found.add_if(
        data.comment.is_some() && data.comment == data.delimiter,
        "/data/comment",
        "`comment` must differ from `delimiter`; change one",
    );
    found.add_if(
        data.ragged == RaggedRows::Quarantine
            && (data.query.is_some() || data.engine == QueryEngine::Ballista),
        "/data/ragged",
        "`quarantine` is not supported with `query` or a cluster, which have no rows of a file; remove one",
    );
    found.add_if(
        (data.encoding.is_some() || data.columns.is_some()) && data.engine == QueryEngine::Ballista,
        "/data/engine",
        "a cluster reads UTF-8 with a header; remove `engine`, or `encoding` and `columns`",
    );
    let Some(columns) = &data.columns else { return };
    found.add_if(columns.is_empty(), "/data/columns", "no name; name each column, or remove `columns`");
    for (index, name) in columns.iter().enumerate() {
        found.add_if(
            name.trim().is_empty(),
            format!("/data/columns/{index}"),
            "the name of a column is empty",
        );
        found.add_if(
            columns[..index].contains(name),
            format!("/data/columns/{index}"),
            format!("two columns are named `{name}`; rename one"),
        );
    }
}

/// Secrets that stand in the config in plain text.
fn check_secrets(data: &Data, found: &mut Findings) {
    let sources = data.source.patterns().iter();
    let mut sources = sources.chain(data.test_source.iter().flat_map(Source::patterns));
    let password =
        "a password must not be written in a config; write `${NAME}` and set NAME in the environment";
    found.add_if(sources.any(|source| plain_secret(source).is_some()), "/data/source", password);
    let cluster = data.url.as_deref().is_some_and(|url| plain_secret(url).is_some());
    found.add_if(cluster, "/data/url", password);
    for (name, value) in &data.kafka {
        let words = ["password", "secret", "passphrase", "jaas"];
        let secret = words.iter().any(|word| name.contains(word)) || name.ends_with("key.pem");
        found.add_if(secret && !value.contains("${"), format!("/data/kafka/{name}"), SECRET);
    }
    for (name, value) in data.http.iter().flat_map(|http| &http.headers) {
        let lower = name.to_lowercase();
        let secret = ["auth", "token", "key", "cookie", "secret"].iter().any(|word| lower.contains(word));
        found.add_if(secret && !value.contains("${"), format!("/data/http/headers/{name}"), SECRET);
    }
}

pub(super) fn check_expectations(expect: &[Expectation], found: &mut Findings) {
    for (index, expectation) in expect.iter().enumerate() {
        let source = expectation.foreign_key.as_ref().map(|key| key.source.as_str());
        found.add_if(
            source.is_some_and(|source| plain_secret(source).is_some()),
            format!("/expect/{index}/foreign_key/source"),
            SECRET,
        );
        for rule in EXPECTATIONS {
            found.add_if((rule.broken)(expectation), format!("/expect/{index}{}", rule.key), rule.message);
        }
    }
}

struct ExpectationRule {
    key: &'static str,
    broken: fn(&Expectation) -> bool,
    message: &'static str,
}

const EXPECTATIONS: &[ExpectationRule] = &[
    ExpectationRule {
        key: "",
        broken: |e| e.on_column() && e.column.is_none(),
        message: "a condition on values requires `column`",
    },
    ExpectationRule {
        key: "",
        broken: |e| !e.on_column() && e.rows.is_none(),
        message: "no condition; write `required = true`, `range = [0, 120]` or another condition",
    },
    ExpectationRule {
        key: "/range",
        broken: |e| e.range.is_some_and(|[low, high]| low > high),
        message: "the minimum is larger than the maximum; exchange them",
    },
    ExpectationRule {
        key: "/rows",
        broken: |e| e.rows.is_some_and(|[low, high]| low > high),
        message: "the minimum is larger than the maximum; exchange them",
    },
    ExpectationRule {
        key: "/severity",
        broken: |e| e.severity == Severity::Quarantine && !e.by_row(),
        message: "a condition on the whole table cannot quarantine single rows; write `warn` or `fail`",
    },
];
