//! Readers of one format each. They share a binary, since linking one takes longer than a short run of it.

use std::path::{Path, PathBuf};
use std::sync::{LazyLock, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use cupola_datasets::{IngestLog, LoadRequest, load};
use cupola_import::{ImportedTrees, TreeTarget, from_hugging_face};
use cupola_prep::{ChatTemplate, Examples, FittedTokenizer, OutputColumn};
use cupola_runtime::{ChatPrompt, ChatRenderer, PromptMessage, check_chat_template};
use cupola_serving::FeedbackLog;
use cupola_serving::access::TokenVerifier;
use cupola_sources::{NoProgress, TextColumns};
use cupola_spec::{Data, Jwt};
use serde_json::{Map, Value, json};
use tokio::runtime::Runtime;

use crate::{App, LAST, folder, halves, write};

/// Reader of an input of the fuzzer.
pub type Reader = fn(&[u8]);

/// Readers by name, as `scripts/fuzz` lists them.
pub const READERS: [(&str, Reader); 15] = [
    ("arrow", arrow),
    ("grpc", grpc),
    ("picture", picture),
    ("schema", schema),
    ("chat", chat),
    ("tokenizer", tokenizer),
    ("folder", hugging_face),
    ("workbook", workbook),
    ("table", table),
    ("dvc", dvc),
    ("pushed", pushed),
    ("feedback", feedback),
    ("token", token),
    ("xgboost", xgboost),
    ("lightgbm", lightgbm),
];

static APP: LazyLock<App> = LazyLock::new(App::open);
static FOLDER: LazyLock<tempfile::TempDir> = LazyLock::new(folder);
static RUNTIME: LazyLock<Runtime> = LazyLock::new(runtime);

#[allow(clippy::expect_used, reason = "a target without a runtime cannot run")]
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// Reader that `CUPOLA_READER` names.
///
/// # Panics
/// If the variable names no reader.
#[allow(
    clippy::expect_used,
    clippy::print_stderr,
    reason = "libFuzzer reports the output of a failing target"
)]
pub fn reader() -> Reader {
    let name = std::env::var("CUPOLA_READER").unwrap_or_default();
    // libFuzzer's own hook aborts at caught panics too, such as those of Arrow's reader. One that nobody catches aborts
    // when it leaves the target.
    std::panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = panic.to_string();
    }));
    let found = READERS.iter().find(|(known, _)| *known == name);
    found.expect("CUPOLA_READER must name a reader; scripts/fuzz lists them").1
}

fn post(path: &str, kind: &str, body: &[u8]) {
    let head = format!("POST {path}\ncontent-type: {kind}\n\n");
    APP.send(&[head.as_bytes(), body].concat());
}

/// Trees of `XGBoost`, as JSON or UBJSON.
fn xgboost(bytes: &[u8]) {
    let _ = ImportedTrees::from_xgboost(bytes, &TreeTarget::default()).map(|trees| score(&trees));
}

/// Trees of `LightGBM`.
fn lightgbm(bytes: &[u8]) {
    let _ = ImportedTrees::from_lightgbm(bytes, &TreeTarget::default()).map(|trees| score(&trees));
}

/// Scores a row of zeros and explains it.
fn score(trees: &ImportedTrees) {
    let _ = trees.trees.logits(&Examples::zeros(trees.plan.layout(), 1));
    let zeros = vec![0.0; trees.trees.columns()];
    for output in trees.trees.plain_outputs().into_iter().flatten() {
        let _ = output.trees.shapley(&zeros, zeros.len(), &mut || true);
    }
}

/// Arrow stream of a request.
fn arrow(bytes: &[u8]) {
    post("/v1/models/census_nano/predict", "application/vnd.apache.arrow.stream", bytes);
}

/// Message of one of the Open Inference Protocol's calls; the first byte chooses it.
fn grpc(bytes: &[u8]) {
    const CALLS: [&str; 6] = [
        "ModelInfer",
        "ModelMetadata",
        "ModelConfig",
        "ModelStatistics",
        "RepositoryIndex",
        "RepositoryModelLoad",
    ];
    let Some((first, message)) = bytes.split_first() else { return };
    let Ok(length) = u32::try_from(message.len()) else { return };
    let call = CALLS[usize::from(*first) % CALLS.len()];
    let framed = [&[0], length.to_be_bytes().as_slice(), message].concat();
    post(&format!("/inference.GRPCInferenceService/{call}"), "application/grpc", &framed);
}

/// File of an image, as a request carries it.
fn picture(bytes: &[u8]) {
    let body = json!({ "rows": [{ "image": STANDARD.encode(bytes) }] });
    post("/v1/models/photos/predict", "application/json", body.to_string().as_bytes());
}

/// JSON Schema that a text follows.
fn schema(bytes: &[u8]) {
    let Ok(schema) = serde_json::from_slice::<Value>(bytes) else { return };
    let format =
        json!({ "type": "json_schema", "json_schema": { "name": "s", "strict": true, "schema": schema } });
    let body = json!({ "model": "talk", "prompt": "the", "max_tokens": 4, "response_format": format });
    post("/v1/completions", "application/json", body.to_string().as_bytes());
}

/// Chat template and a message.
fn chat(bytes: &[u8]) {
    let (template, message) = halves(bytes);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let template = ChatTemplate { template: text(template), begin: "<s>".into(), end: "</s>".into() };
    let Ok(renderer) = ChatRenderer::new(&template) else { return };
    let call =
        json!({ "id": "a", "type": "function", "function": { "name": "f", "arguments": { "x": [1] } } });
    let said =
        |role: &str, content: String| PromptMessage { role: role.into(), content, ..Default::default() };
    let answer = PromptMessage { tool_calls: vec![call], ..said("assistant", "b".into()) };
    let messages = vec![said("system", text(message)), said("user", "a".into()), answer];
    let _ = renderer.render(&ChatPrompt { messages, tools: vec![json!({ "type": "function" })] });
}

/// `tokenizer.json`.
fn tokenizer(bytes: &[u8]) {
    let path = FOLDER.path().join("tokenizer.json");
    write(&path, bytes);
    let Ok(tokenizer) = FittedTokenizer::read(&path.to_string_lossy()) else { return };
    let _ = tokenizer.token_bytes();
    for text in ["the cat w1 w2", "\u{e9}\u{1f600} a\tb", "<s>[CLS]"] {
        if let Ok(tokens) = tokenizer.encode_within(text, 64) {
            let _ = tokenizer.decode(&tokens);
        }
    }
}

/// Texts of a Hugging Face folder, beside the weights of a small model: its configuration, tokenizer, generation defaults
/// and tokenizer's configuration, each after a NUL.
fn hugging_face(bytes: &[u8]) {
    static WEIGHTS: &[u8] = include_bytes!("../../../crates/import/src/golden/llama.safetensors");
    const NAMES: [&str; 4] =
        ["config.json", "tokenizer.json", "generation_config.json", "tokenizer_config.json"];
    let folder = FOLDER.path().join("model");
    let _ = std::fs::create_dir_all(&folder);
    let mut parts = bytes.split(|byte| *byte == 0);
    for name in NAMES {
        match parts.next() {
            Some(part) => write(&folder.join(name), part),
            None => drop(std::fs::remove_file(folder.join(name))),
        }
    }
    write(&folder.join("model.safetensors"), WEIGHTS);
    if let Ok(model) = from_hugging_face(&folder, Some(32)) {
        let _ = check_chat_template(&model.plan);
    }
}

/// Loads a file by its extension, with a home of its own: the cache of another input must not answer.
fn load_file(name: &str, bytes: &[u8]) {
    let own = folder();
    write(&own.path().join(name), bytes);
    load_source(own.path(), name);
}

fn load_source(root: &Path, name: &str) {
    let Ok(data) = serde_json::from_value::<Data>(json!({ "source": name })) else { return };
    let (roots, home) = ([PathBuf::from(root)], root.join("home"));
    let _ = load(&LoadRequest {
        source: &data.source,
        data: &data,
        expect: &[],
        texts: TextColumns::None,
        roots: &roots,
        home: &home,
        progress: &NoProgress,
    });
}

/// Workbook; the first byte chooses its format.
fn workbook(bytes: &[u8]) {
    let Some((first, file)) = bytes.split_first() else { return };
    load_file(["a.xlsx", "a.xls", "a.ods", "a.xlsb"][usize::from(*first) % 4], file);
}

/// File of rows; the first byte chooses its format.
fn table(bytes: &[u8]) {
    let Some((first, file)) = bytes.split_first() else { return };
    load_file(["a.csv", "a.jsonl", "a.parquet", "a.arrow", "a.csv.gz"][usize::from(*first) % 5], file);
}

/// `.dvc` file, and a `.dir` list that it may name.
fn dvc(bytes: &[u8]) {
    let (file, list) = halves(bytes);
    let own = folder();
    let cache = own.path().join(".dvc/cache/files/md5/aa");
    let _ = std::fs::create_dir_all(&cache);
    write(&own.path().join("a.csv"), b"x\n1\n");
    write(&cache.join(format!("{}.dir", "a".repeat(30))), list);
    write(&own.path().join("a.dvc"), file);
    load_source(own.path(), "a.dvc");
}

/// Fails unless the last line of a file is whole and `is_kept`: what was acknowledged must be readable.
fn check_last_line(path: &Path, is_kept: impl Fn(&Value) -> bool) {
    let bytes = std::fs::read(path).unwrap_or_default();
    let line = bytes.strip_suffix(b"\n").and_then(|text| text.rsplit(|byte| *byte == b'\n').next());
    let kept = line.and_then(|line| serde_json::from_slice::<Value>(line).ok());
    let is_readable = kept.is_some_and(|line| is_kept(&line));
    assert!(is_readable, "an acknowledged line is not readable in {}", path.display());
}

fn row(value: &Value) -> Map<String, Value> {
    value.as_object().cloned().unwrap_or_default()
}

/// Pushed rows after whatever a killed server or a full disk has left. `scripts/fuzz` adds the dataset.
fn pushed(bytes: &[u8]) {
    let home = PathBuf::from(std::env::var_os("CUPOLA_HOME").unwrap_or_default());
    let path = home.join("data/events/inbox/rows.jsonl");
    let _ = std::fs::create_dir_all(home.join("data/events/inbox"));
    write(&path, bytes);
    if IngestLog::new(&home).push("events", &[row(&json!({ "id": "kept", "value": 1 }))]).is_ok() {
        check_last_line(&path, |line| line["id"] == "kept");
    }
}

/// Feedback after whatever a killed server or a full disk has left.
fn feedback(bytes: &[u8]) {
    let own = folder();
    let path = own.path().join("m.jsonl");
    write(&path, bytes);
    let target = json!({ "name": "y", "type": "number" });
    let Ok(target) = serde_json::from_value::<OutputColumn>(target) else { return };
    let rows = vec![row(&json!({ "request_id": "kept", "y": 1 }))];
    let log = FeedbackLog::new(own.path().into());
    if RUNTIME.block_on(log.push("m", &[target], rows)).is_ok() {
        check_last_line(&path, |line| line["request"] == "kept");
    }
}

/// Key set of an identity provider, and a token.
fn token(bytes: &[u8]) {
    let (keys, token) = halves(bytes);
    let path = FOLDER.path().join("jwks.json");
    write(&path, keys);
    let spec = json!({ "issuer": "https://id.example", "audience": "cupola", "jwks": path });
    let Ok(spec) = serde_json::from_value::<Jwt>(spec) else { return };
    if let Ok(verifier) = RUNTIME.block_on(TokenVerifier::open(spec)) {
        let _ = verifier.verify(&String::from_utf8_lossy(token));
    }
}

#[cfg(test)]
mod tests {
    use super::READERS;

    #[test]
    fn the_script_lists_every_reader() {
        let script =
            std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/fuzz")).unwrap();
        for (name, _) in READERS {
            assert!(script.contains(&format!("\"{name}\"")), "`{name}` is missing in scripts/fuzz");
        }
    }
}
