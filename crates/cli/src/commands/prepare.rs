//! `cupola prepare`: everything up to the first step of training, once.

use anyhow::Result;
use cupola_prep::SplitPart;
use cupola_registry::Home;
use serde_json::json;

use crate::args::PrepareArgs;
use crate::commands::check::show_data;
use crate::load;
use crate::stage::Stage;
use crate::ui::Ui;

pub fn run(home: &Home, ui: Ui, args: &PrepareArgs) -> Result<()> {
    let run = load::config(home, &args.config, &args.set)?;
    let config = Some(args.config.as_path());
    let stage = Stage::of(home, ui, &run, config)?;
    let unchanged = stage.is_made() && !args.force;
    if unchanged || args.dry_run {
        let files = stage.files();
        if unchanged {
            ui.line(format!("prepare {} is unchanged: skipped ({} files)", stage.short(), files.len()));
        } else {
            ui.line(format!("prepare {} would be made of {} files:", stage.short(), files.len()));
            let rows =
                files.iter().map(|f| vec![f.name.clone(), f.bytes.to_string(), f.sha256[..12].to_owned()]);
            ui.table(&["file", "bytes", "sha256"], &[1], rows.collect());
        }
        let state = if unchanged { "unchanged" } else { "due" };
        return ui.result(&json!({ "stage": stage.short(), "state": state, "files": files }));
    }
    let (short, folder) = (stage.short().to_owned(), stage.folder().to_owned());
    let loaded = Stage::keep(&folder, &run, load::made(home, ui, &run, config, stage)?)?;
    show_data(ui, &run, &loaded);
    ui.line(format!("kept    {short} in {}", folder.display()));
    ui.line(format!("next    cupola train --config {}", args.config.display()));
    let rows = |part| loaded.prepared.rows(part);
    ui.result(&json!({
        "stage": short,
        "state": "made",
        "folder": folder,
        "dataset": loaded.source.version,
        "expected": loaded.source.report,
        "suspicions": loaded.prepared.suspicions,
        "rows": { "train": rows(SplitPart::Train), "valid": rows(SplitPart::Valid), "test": rows(SplitPart::Test) },
    }))
}
