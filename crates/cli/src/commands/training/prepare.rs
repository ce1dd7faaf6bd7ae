//! `cupola prepare`: everything up to the first step of training, once.

use std::path::Path;

use anyhow::Result;
use cupola_prep::SplitPart;
use cupola_registry::Home;
use cupola_workflow::{LoadedData, Prepare, PrepareOutcome, PreparedStage};
use serde_json::json;

use crate::args::PrepareArgs;
use crate::commands::session;
use crate::draw::{Screen, Ui};
use crate::next_step::train_command;

pub fn run(home: &Home, ui: Ui, args: &PrepareArgs) -> Result<()> {
    let when = match (args.force, args.dry_run) {
        (true, _) => Prepare::Always,
        (_, true) => Prepare::DryRun,
        _ => Prepare::IfChanged,
    };
    let screen = Screen::new(ui);
    let session = session(home, &screen);
    match session.prepare(&args.config.source(&session, ui)?, when)? {
        PrepareOutcome::Unchanged(stage) => unchanged(ui, &stage),
        PrepareOutcome::Due(stage) => due(ui, &stage),
        PrepareOutcome::Made { stage, folder, data } => {
            ui.line(format!("kept    {stage} in {}", folder.display()));
            let next = train_command(home, &args.config.words());
            ui.line(format!("next    {next}"));
            made(ui, &stage, &folder, (&data, &next))
        }
    }
}

fn unchanged(ui: Ui, stage: &PreparedStage) -> Result<()> {
    let (short, files) = (stage.short(), stage.files());
    ui.line(format!("prepare {short} is unchanged: skipped ({} files)", files.len()));
    ui.result(&json!({ "stage": short, "state": "unchanged", "files": files }))
}

fn due(ui: Ui, stage: &PreparedStage) -> Result<()> {
    let (short, files) = (stage.short(), stage.files());
    ui.line(format!("prepare {short} would be made of {} files:", files.len()));
    let rows = files.iter().map(|f| vec![f.name.clone(), f.bytes.to_string(), f.sha256[..12].to_owned()]);
    ui.table(&["file", "bytes", "sha256"], &[1], rows.collect());
    ui.result(&json!({ "stage": short, "state": "due", "files": files }))
}

fn made(ui: Ui, stage: &str, folder: &Path, (data, next): (&LoadedData, &str)) -> Result<()> {
    let rows = |part| data.prepared.rows(part);
    ui.result(&json!({
        "stage": stage,
        "state": "made",
        "folder": folder,
        "dataset": data.source.version,
        "expected": data.source.report,
        "notes": data.notes().map(ToString::to_string).collect::<Vec<_>>(),
        "suspicions": data.prepared.suspicions,
        "rows": { "train": rows(SplitPart::Train), "valid": rows(SplitPart::Valid), "test": rows(SplitPart::Test) },
        "next": [next],
    }))
}
