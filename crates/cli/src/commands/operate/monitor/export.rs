//! `cupola monitor export`: files for Prometheus, Grafana and Alertmanager.

use std::io::Write as _;
use std::path::Path;

use anyhow::Result;
use cupola_serving::export::{ExportFile, ExportTarget, export_files};
use cupola_serving::notify::{alert_rules, default_rules};
use cupola_spec::{Serve, parse_serve};
use serde_json::json;

use crate::args::MonitorExportArgs;
use crate::draw::Ui;
use crate::failure::UserError;

pub fn run(ui: Ui, args: &MonitorExportArgs) -> Result<()> {
    let spec = match &args.config {
        None => Serve::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|error| UserError::config(path, &error))?;
            parse_serve(&path.to_string_lossy(), &text)?
        }
    };
    let declared = alert_rules(&spec)?;
    let rules = if declared.is_empty() { default_rules() } else { declared };
    let all = [ExportTarget::Prometheus, ExportTarget::Grafana, ExportTarget::Alertmanager];
    let targets: Vec<ExportTarget> = match args.to.as_slice() {
        [] => all.to_vec(),
        chosen => chosen.iter().map(|to| ExportTarget::from(*to)).collect(),
    };
    let settings = spec.alerts.clone().unwrap_or_default();
    let files = targets.into_iter().flat_map(|target| export_files(target, &rules, &spec.notify, &settings));
    let files: Vec<ExportFile> = files.collect();
    match &args.out {
        Some(folder) => write(ui, folder, &files),
        None => print(&files),
    }
}

fn write(ui: Ui, folder: &Path, files: &[ExportFile]) -> Result<()> {
    let failed = |error: std::io::Error| {
        UserError::new(format!("failed to write to {}: {error}", folder.display()), "choose another --out")
    };
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut paths = Vec::new();
    for file in files {
        let path = folder.join(file.name);
        std::fs::write(&path, &file.text).map_err(failed)?;
        ui.line(format!("file    {}", path.display()));
        paths.push(path.to_string_lossy().into_owned());
    }
    if ui.json {
        ui.result(&json!({ "files": paths }))?;
    }
    Ok(())
}

/// Prints the file that a program reads by itself: the first one of a single program.
fn print(files: &[ExportFile]) -> Result<()> {
    let first = files.first().map(|file| file.name);
    let one = first == Some("cupola.rules.yml") && files.len() == 2 || files.len() == 1;
    match files.first().filter(|_| one) {
        Some(file) => Ok(std::io::stdout().write_all(file.text.as_bytes())?),
        None => {
            Err(UserError::new("several files cannot go to standard output", "add --out DIR, or one --to")
                .into())
        }
    }
}
