//! `cupola monitor`: models in production.

mod drift;
mod export;
mod merge;
mod performance;

use std::path::Path;

use anyhow::Result;
use cupola_registry::{Home, write_file};
use serde::Serialize;

use crate::args::{MonitorArgs, MonitorCommand};
use crate::draw::Ui;
use crate::failure::{UserError, of_output};

pub fn run(home: &Home, ui: Ui, args: &MonitorArgs) -> Result<()> {
    match &args.command {
        MonitorCommand::Report(args) => drift::report(home, ui, args),
        MonitorCommand::Check(args) => drift::check(home, ui, args),
        MonitorCommand::Merge(args) => merge::run(home, args),
        MonitorCommand::Export(args) => export::run(ui, args),
        MonitorCommand::Performance(args) => performance::show(home, ui, args),
    }
}

/// Writes a result as `NAME.json` and its page as `NAME.html` to a folder.
fn write_files(ui: Ui, folder: &Path, name: &str, found: &impl Serialize, page: &str) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|error| {
        UserError::new(format!("failed to create {}: {error}", folder.display()), "check --out")
    })?;
    let path = folder.join(format!("{name}.html"));
    write_file(&folder.join(format!("{name}.json")), &serde_json::to_vec_pretty(found)?)
        .map_err(of_output("--out"))?;
    write_file(&path, page.as_bytes()).map_err(of_output("--out"))?;
    ui.line(format!("written to {}", path.display()));
    Ok(())
}
