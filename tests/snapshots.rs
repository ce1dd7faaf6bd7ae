//! Texts that users see and scripts parse: help pages, `--json`, the OpenAPI document, messages.
//!
//! `INSTA_UPDATE=always cargo test --release --workspace snapshots` writes them anew; read the difference.

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::{BLOBS, TestHome};

/// Commands with a help page of their own.
const COMMANDS: &[&str] = &[
    "",
    "init",
    "train",
    "rate",
    "check",
    "evaluate",
    "predict",
    "generate",
    "chat",
    "serve",
    "keys",
    "keys add",
    "monitor export",
    "worker",
    "data",
    "data add",
    "data pull",
    "prepare",
    "graph",
    "runs",
    "runs list",
    "runs compare",
    "models",
    "models families",
    "models import",
    "models export",
    "models alias",
    "doctor",
    "schema",
    "completions",
];

#[test]
fn help_pages() {
    let home = TestHome::new();
    for command in COMMANDS {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("--help");
        let output = home.run(&args);
        assert_eq!(output.code, Some(0), "{command}: {}", output.stderr);
        let name = if command.is_empty() { "cupola".to_owned() } else { command.replace(' ', "-") };
        insta::assert_snapshot!(format!("help-{name}"), output.stdout);
    }
}

#[test]
fn json_results() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    let trained = home.train(&[]);
    let results = [
        ("train", trained),
        ("check", home.json(&["check", "--config", "run.toml"])),
        ("runs-list", home.json(&["runs", "list"])),
        ("models-list", home.json(&["models", "list"])),
        ("models-show", home.json(&["models", "show", "blobs"])),
        ("evaluate", home.json(&["evaluate", "--model", "blobs", "--data", "blobs.csv"])),
    ];
    for (name, result) in results {
        insta::assert_snapshot!(format!("json-{name}"), shape(&result, ""));
    }
}

#[test]
fn openapi_document() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    home.train(&[]);
    let server = home.serve(&["--model", "blobs"]);
    let mut document = server.get("/openapi.json").json();
    document["servers"] = Value::Null;
    insta::assert_json_snapshot!("openapi", document);
}

#[test]
fn messages_of_mistakes() {
    let home = TestHome::with_blobs(120, "[train]\nepochs = 1\n");
    let trained = home.train(&[]);
    let run = trained["run"].as_str().unwrap();
    home.write("typo.toml", BLOBS.replace("seed = 11", "sed = 11"));
    home.write("kind.toml", BLOBS.replace("kind = \"category\"", "kind = \"categry\""));
    let mistakes: &[&[&str]] = &[
        &["train"],
        &["train", "--config", "none.toml"],
        &["train", "--config", "typo.toml"],
        &["train", "--config", "kind.toml"],
        &["train", "--config", "run.toml", "--device", "tpu"],
        &["train", "--config", "run.toml", "--set", "train.epochs=many"],
        &["train", "--resume", "latest"],
        &["predict", "--model", "blob", "--input", "blobs.csv"],
        &["predict", "--model", "blobs:7", "--input", "blobs.csv"],
        &["predict", "--model", "blobs@champion", "--input", "blobs.csv"],
        &["predict", "--model", "blobs", "--input", "none.csv"],
        &["serve", "--model", "a b"],
        &["serve", "--model", "blobs", "--engine", "onnx"],
        &["keys", "add", "--name", "shop", "--scope", "predictt"],
        &["data", "show", "none"],
        &["models", "alias", "blobs", "champion", "9"],
    ];
    let mut text = String::new();
    for args in mistakes {
        let output = home.run(args);
        let folder = home.path("").to_string_lossy().into_owned();
        let _ = write!(
            text,
            "$ cupola {}\n{}exit code {:?}\n\n",
            args.join(" "),
            output.stderr.replace(&folder, "").replace(run, "RUN"),
            output.code
        );
    }
    insta::assert_snapshot!("messages", text);
}

/// Paths and types of a JSON value; times, identifiers and figures differ from run to run.
fn shape(value: &Value, path: &str) -> String {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| shape(value, &format!("{path}.{key}"))).collect(),
        Value::Array(list) => {
            list.first().map_or(format!("{path}[]\n"), |first| shape(first, &format!("{path}[0]")))
        }
        Value::Null => format!("{path} null\n"),
        Value::Bool(_) => format!("{path} boolean\n"),
        Value::Number(_) => format!("{path} number\n"),
        Value::String(_) => format!("{path} string\n"),
    }
}
