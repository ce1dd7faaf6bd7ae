//! `cupola monitor performance`: realised and estimated performance by chunk.

use std::path::PathBuf;

use anyhow::Result;
use cupola_operate::{
    PerformanceRequest, ServiceLogRequest, measure_performance, performance_page, read_service_log,
};
use cupola_registry::{Home, Package, Reference, write_file};
use cupola_workflow::OutcomeSource;

use super::write_files;
use crate::args::MonitorPerformanceArgs;
use crate::commands::session;
use crate::draw::{CollectionProgress, Ui, show_performance, show_service_log};

pub fn show(home: &Home, ui: Ui, args: &MonitorPerformanceArgs) -> Result<()> {
    if let Some(folder) = &args.log {
        return show_log(home, ui, args, folder);
    }
    let request = PerformanceRequest {
        model: args.model.selection(),
        source: OutcomeSource {
            data: args.data.as_deref().unwrap_or_default(),
            targets: args.targets.as_deref(),
            target: args.target.as_deref(),
        },
        reference: args.reference.as_deref(),
        feedback: args.feedback.clone().unwrap_or_else(|| home.root().join("feedback")),
        chunking: args.chunks.parse().map_err(cupola_operate::Error::Monitor)?,
    };
    let progress = CollectionProgress::new(ui);
    let found = measure_performance(&session(home, &progress), &request)?;
    show_performance(ui, &found);
    if let Some(folder) = &args.out {
        write_files(ui, folder, "performance", &found, &performance_page(&found))?;
    }
    ui.result(&found)
}

/// Shows the performance log in a folder, or in the home if its name is empty. The version need not be in this home any more.
fn show_log(home: &Home, ui: Ui, args: &MonitorPerformanceArgs, folder: &str) -> Result<()> {
    let reference = args.model.selection().reference;
    let (model, version) = match Reference::parse(&reference)? {
        Reference::Version { name, version } => (name.to_string(), Some(version)),
        Reference::Alias { name, alias } if reference.contains('@') => {
            let version = home.package(&format!("{name}@{alias}"))?.manifest.version;
            (name.to_string(), Some(version))
        }
        Reference::Alias { name, .. } => (name.to_string(), None),
        Reference::Folder(path) => {
            let manifest = Package::open(&path)?.manifest;
            (manifest.name, Some(manifest.version))
        }
    };
    let found = read_service_log(&ServiceLogRequest {
        folder: if folder.is_empty() { home.root().join("performance") } else { PathBuf::from(folder) },
        model,
        version,
        chunking: args.chunks.parse().map_err(cupola_operate::Error::Monitor)?,
    })?;
    show_service_log(ui, &found);
    if let Some(folder) = &args.out {
        std::fs::create_dir_all(folder)?;
        let path = folder.join("service.json");
        write_file(&path, &serde_json::to_vec_pretty(&found)?)?;
        ui.line(format!("written to {}", path.display()));
    }
    ui.result(&found)
}
