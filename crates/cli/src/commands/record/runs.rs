//! `cupola runs`: list and show runs.

use std::path::Path;

use anyhow::Result;
use cupola_registry::{Home, Index, RunFolder};
use serde_json::json;

use crate::args::{RunsArgs, RunsCommand};
use crate::draw::{Ui, summary};
use crate::next_step::train_command;

pub fn run(home: &Home, ui: Ui, args: &RunsArgs) -> Result<()> {
    match &args.command {
        RunsCommand::List => list(home, ui),
        RunsCommand::Show { run } => show(home, ui, run),
    }
}

fn list(home: &Home, ui: Ui) -> Result<()> {
    let runs = Index::open(home)?.runs()?;
    if runs.is_empty() {
        let next = train_command(home, Path::new("configs/digits.toml"), &[]);
        ui.line(format!("no runs yet; start one with: {next}"));
    } else {
        let rows = runs
            .iter()
            .map(|r| {
                let package = r.package.clone().unwrap_or_default();
                vec![r.id.clone(), r.status.clone(), r.created.clone(), package, summary(&r.metrics)]
            })
            .collect();
        ui.table(&["run", "status", "created", "package", "test"], &[], rows);
    }
    ui.result(&runs)
}

fn show(home: &Home, ui: Ui, id: &str) -> Result<()> {
    let folder = RunFolder::open(home, id)?;
    let record = folder.record()?;
    let steps = folder.checkpoint_steps()?;
    ui.line(format!("run          {}", record.id));
    ui.line(format!("status       {}", record.status.name()));
    ui.line(format!("created      {}", record.created));
    ui.line(format!("updated      {}", record.updated));
    ui.line(format!("device       {}", record.device));
    ui.line(format!("folder       {}", folder.path().display()));
    let data = &record.dataset.source;
    let sources = data.source.join(", ");
    ui.line(format!("data         {sources} ({} rows, version {})", data.rows, data.sha256));
    ui.line(format!("checkpoints  {steps:?}"));
    if let Some(package) = &record.package {
        ui.line(format!("package      {package}"));
    }
    ui.line(format!("test         {}", summary(&record.metrics.clone().into())));
    ui.line("config");
    for line in folder.config_text()?.lines().filter(|line| !line.is_empty()) {
        ui.line(format!("  {line}"));
    }
    ui.result(&json!({ "run": record, "checkpoints": steps, "path": folder.path() }))
}
