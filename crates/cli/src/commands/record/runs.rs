//! `cupola runs`: list, compare and show runs.

mod compare;
mod list;
mod logs;

use anyhow::Result;
use cupola_registry::{Home, RunFolder};
use serde_json::json;

use crate::args::{RunsArgs, RunsCommand};
use crate::draw::{Ui, duration, metric, summary};

pub fn run(home: &Home, ui: Ui, args: &RunsArgs) -> Result<()> {
    match &args.command {
        RunsCommand::List(args) => list::run(home, ui, args),
        RunsCommand::Compare { runs } => compare::run(home, ui, runs),
        RunsCommand::Logs { run, follow } => logs::run(home, ui, run, *follow),
        RunsCommand::Show { run } => show(home, ui, run),
    }
}

fn show(home: &Home, ui: Ui, id: &str) -> Result<()> {
    let folder = RunFolder::open(home, id)?;
    let mut record = folder.record()?;
    record.status = folder.status(&record);
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
    if let Some(seconds) = record.seconds {
        ui.line(format!("time         {}", duration(seconds)));
    }
    if let Some(valid) = &record.valid {
        ui.line(format!("valid        {} {}", valid.metric, metric(valid.value)));
    }
    ui.line(format!("test         {}", summary(&record.metrics.clone().into())));
    ui.line("config");
    for line in folder.config_text()?.lines().filter(|line| !line.is_empty()) {
        ui.line(format!("  {line}"));
    }
    ui.result(&json!({ "run": record, "checkpoints": steps, "path": folder.path() }))
}
