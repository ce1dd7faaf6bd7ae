//! Limits of requests as a table, which `docs/serve.md` shows.

use std::fmt::Write as _;

/// Limit of what a client may cause.
struct Limit {
    /// Limited quantity.
    name: &'static str,
    /// Value without a setting.
    default: &'static str,
    /// Option or key that changes it; empty if it is fixed.
    setting: &'static str,
    /// Response to a request beyond it.
    answer: &'static str,
}

/// All limits.
const LIMITS: &[Limit] = &[
    Limit {
        name: "memory of all requests in flight",
        default: "a quarter of the machine's, or of a lower `ulimit` or control group",
        setting: "`--memory-mib`, `memory_mib`",
        answer: "429",
    },
    Limit {
        name: "memory of one key's requests in flight",
        default: "half of that of all requests",
        setting: "`--memory-mib`, `memory_mib`",
        answer: "429",
    },
    Limit {
        name: "memory of one request",
        default: "a quarter of that of all requests, 64 to 512 MiB",
        setting: "`--memory-mib`, `memory_mib`",
        answer: "413",
    },
    Limit { name: "body", default: "16 MiB, also when decompressed", setting: "`--body-mib`", answer: "413" },
    Limit {
        name: "time until the response",
        default: "30 s",
        setting: "`--timeout`, `x-timeout-ms`",
        answer: "504",
    },
    Limit { name: "requests that wait for an engine", default: "256", setting: "`--queue`", answer: "429" },
    Limit { name: "texts of a request for embeddings", default: "2,048", setting: "", answer: "400" },
    Limit { name: "choices of a request for text", default: "32", setting: "", answer: "400" },
    Limit { name: "messages of a chat", default: "4,096", setting: "", answer: "400" },
    Limit { name: "functions of a chat", default: "128", setting: "", answer: "400" },
    Limit {
        name: "values in the JSON Schemas of a request",
        default: "20,000 in 1 MiB and 80 levels",
        setting: "",
        answer: "400",
    },
    Limit {
        name: "long work of one key at once: parsing, decompression, prompts",
        default: "the number of processors, at least 2; the rest waits",
        setting: "",
        answer: "504",
    },
    Limit { name: "parts of a form with files", default: "1,024", setting: "", answer: "400" },
    Limit { name: "rows that one request may store", default: "100,000", setting: "", answer: "413" },
    Limit {
        name: "refusals in a row on one connection",
        default: "16 at once; each further one waits 100 ms",
        setting: "",
        answer: "401, 403 or 429, and their codes of gRPC",
    },
    Limit {
        name: "JSON values of a body for OpenAI's paths",
        default: "1,048,576",
        setting: "",
        answer: "400",
    },
    Limit { name: "key", default: "256 bytes", setting: "", answer: "401" },
    Limit { name: "token of an identity provider", default: "16 KiB", setting: "", answer: "401" },
    Limit {
        name: "refused calls in the audit log",
        default: "10 per second and status, 2,000 per hour",
        setting: "",
        answer: "counted in one line",
    },
    Limit {
        name: "connections of the main and the gRPC port",
        default: "4,096, fewer where the limit of descriptors is low",
        setting: "`--connections`",
        answer: "an idle connection is closed; if none is idle, 503 for all but health",
    },
    Limit {
        name: "connections of one address",
        default: "no limit of its own",
        setting: "`--address-connections`",
        answer: "closed",
    },
    Limit { name: "connections of the administrative port", default: "64", setting: "", answer: "as above" },
    Limit {
        name: "TLS handshake, first request, head of a request",
        default: "10 s",
        setting: "`--head-timeout`",
        answer: "closed",
    },
    Limit {
        name: "time without a request in flight, whatever else is sent",
        default: "75 s",
        setting: "`--idle-timeout`",
        answer: "closed",
    },
    Limit {
        name: "time in which a client takes 16 KiB of its response, or the rest",
        default: "30 s",
        setting: "`--write-timeout`",
        answer: "closed; a stream of HTTP/2 is reset",
    },
    Limit {
        name: "time for a body to arrive",
        default: "the timeout and 5 s",
        setting: "`--timeout`",
        answer: "408",
    },
    Limit {
        name: "requests in flight on a connection of HTTP/2",
        default: "128",
        setting: "",
        answer: "wait",
    },
    Limit {
        name: "unread bytes of bodies: a stream of HTTP/2, a connection",
        default: "1 MiB, 2 MiB",
        setting: "",
        answer: "wait",
    },
    Limit {
        name: "message of a gRPC call without tensors",
        default: "64 KiB",
        setting: "",
        answer: "`RESOURCE_EXHAUSTED`",
    },
    Limit {
        name: "fields of a gRPC message and its tensors, elements of bytes in them",
        default: "65,536, 1,048,576",
        setting: "",
        answer: "`RESOURCE_EXHAUSTED`",
    },
    Limit {
        name: "streams of gRPC without an end: a connection, health watches, inference",
        default: "16, 256, 1,024",
        setting: "",
        answer: "`RESOURCE_EXHAUSTED`",
    },
    Limit {
        name: "time between two messages of a gRPC stream",
        default: "300 s",
        setting: "",
        answer: "`DEADLINE_EXCEEDED`",
    },
];

/// Table in Markdown.
fn table() -> String {
    let mut out = String::from("| limit | default | setting | beyond it |\n|---|---|---|---|\n");
    for Limit { name, default, setting, answer } in LIMITS {
        let setting = if setting.is_empty() { "fixed" } else { setting };
        // Writing to a String does not fail.
        let _ = writeln!(out, "| {name} | {default} | {setting} | {answer} |");
    }
    out
}

/// `docs/serve.md` has the table between two comments. With `CUPOLA_UPDATE_DOCS=1` the test writes it.
#[test]
fn the_page_shows_every_limit() {
    const BEGIN: &str = "<!-- limits: crates/http/src/limits.rs -->\n";
    const END: &str = "<!-- end of limits -->";
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/serve.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(BEGIN).expect("docs/serve.md has a table of limits");
    let (shown, after) = rest.split_once(END).expect("the table of limits ends");
    if std::env::var_os("CUPOLA_UPDATE_DOCS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{}{END}{after}", table())).unwrap();
    } else {
        assert_eq!(shown, table(), "run this test with CUPOLA_UPDATE_DOCS=1");
    }
}
