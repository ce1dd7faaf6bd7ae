//! `cupola graph`: the stages of a config, and which of them are up to date.

use anyhow::Result;
use cupola_registry::{Home, RunFolder, RunRecord, Status, sha256_hex};
use cupola_sources::FileVersion;
use serde::Serialize;
use serde_json::Value;

use crate::args::GraphArgs;
use crate::load;
use crate::stage::Stage;
use crate::ui::Ui;

/// One stage.
#[derive(Serialize)]
struct Node {
    stage: &'static str,
    state: &'static str,
    what: String,
    after: Option<&'static str>,
}

pub fn run(home: &Home, ui: Ui, args: &GraphArgs) -> Result<()> {
    let run = load::config(home, &args.config, &args.set)?;
    let stage = Stage::of(home, ui, &run, Some(&args.config))?;
    let source = run.data.source.patterns().join(", ");
    let mut nodes = vec![
        Node {
            stage: "collect",
            state: "here",
            what: format!("{source}: {} files", stage.files().len()),
            after: None,
        },
        Node {
            stage: "prepare",
            state: if stage.is_made() { "unchanged" } else { "due" },
            what: stage.short().to_owned(),
            after: Some("collect"),
        },
    ];
    let config = sha256_hex(toml::to_string(&run.sealed)?.as_bytes());
    let same = |record: &RunRecord| {
        record.config_sha256 == config && seen(&record.dataset) == digests(&stage.files())
    };
    let mut records: Vec<RunRecord> =
        RunFolder::all(home)?.into_iter().map(|(_, record)| record).filter(same).collect();
    records.sort_by(|a, b| a.created.cmp(&b.created));
    let finished = records.iter().rev().find(|record| record.status == Status::Finished);
    let trained =
        finished.map_or("no finished run of this config and data".to_owned(), |record| record.id.clone());
    let state = if finished.is_some() { "unchanged" } else { "due" };
    nodes.push(Node { stage: "train", state, what: trained, after: Some("prepare") });
    let package = finished.and_then(|record| record.package.clone());
    let what = package.unwrap_or_else(|| run.name.clone());
    nodes.push(Node { stage: "package", state, what, after: Some("train") });
    for (depth, node) in nodes.iter().enumerate() {
        let arrow = if depth == 0 { String::new() } else { format!("{}└─ ", "   ".repeat(depth - 1)) };
        ui.line(format!("{:<20} {:<10} {}", format!("{arrow}{}", node.stage), node.state, node.what));
    }
    ui.result(&nodes)
}

fn digests<'a>(files: &[&'a FileVersion]) -> Vec<&'a str> {
    files.iter().map(|file| file.sha256.as_str()).collect()
}

/// Digests of the files that a run has seen, those of its test source last.
fn seen(dataset: &Value) -> Vec<&str> {
    let both = [&dataset["files"], &dataset["test"]["files"]];
    let files = both.into_iter().filter_map(Value::as_array).flatten();
    files.filter_map(|file| file["sha256"].as_str()).collect()
}
