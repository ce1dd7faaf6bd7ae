//! Where a package came from.

use anyhow::Result;
use cupola_datasets::Datasets;
use cupola_registry::{Home, RunFolder};
use serde_json::{Value, json};

use crate::draw::{Ui, grouped};

/// Package, run, config, dataset versions, sources.
pub fn run(home: &Home, ui: Ui, model: &str) -> Result<()> {
    let package = home.package(model)?;
    let lineage = &package.manifest.lineage;
    ui.line(format!("package  {} of {}", package.label(), package.manifest.created));
    ui.line(format!("└─ run      {} by cupola {}", lineage.run, lineage.code_version));
    let folder = RunFolder::open(home, &lineage.run).ok();
    let record = folder.as_ref().and_then(|folder| folder.record().ok());
    match (&folder, &record) {
        (Some(folder), Some(record)) => {
            let config = folder.config();
            ui.line(format!("   ├─ config   {} ({})", config.display(), &record.config_sha256[..12]));
            ui.line(format!("   ├─ device   {}", record.device));
        }
        _ => ui.line("   ├─ the run is not in this home"),
    }
    ui.line(format!("   └─ data     version {}", lineage.dataset_version));
    let mut datasets = Vec::new();
    if let Some(record) = &record {
        for (name, dataset) in [("rows", &record.dataset), ("test", &record.dataset["test"])] {
            if !dataset.is_null() {
                datasets.extend(told(home, ui, name, dataset));
            }
        }
    }
    ui.result(&json!({
        "package": package.label(),
        "lineage": lineage,
        "run": record,
        "datasets": datasets,
    }))
}

/// One source of a run; the manifests of its datasets.
fn told(home: &Home, ui: Ui, name: &str, dataset: &Value) -> Vec<Value> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
    };
    let rows = usize::try_from(dataset["rows"].as_u64().unwrap_or_default()).unwrap_or_default();
    ui.line(format!("      {name:<8} {} rows of {}", grouped(rows), texts(&dataset["source"]).join(", ")));
    if let Some(query) = dataset["query"].as_str() {
        ui.line(format!("               by {}", query.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    for file in dataset["files"].as_array().into_iter().flatten() {
        let digest = file["sha256"].as_str().unwrap_or_default();
        let short = &digest[..digest.len().min(12)];
        ui.line(format!("               {} ({short})", file["name"].as_str().unwrap_or_default()));
    }
    let mut manifests = Vec::new();
    for label in texts(&dataset["datasets"]) {
        let Ok(manifest) = Datasets::new(home.root()).named(&label) else {
            ui.line(format!("               {label} is not in this home"));
            continue;
        };
        let source = manifest.dataset.source.join(", ");
        ui.line(format!("               {label} of {}, from {source}", manifest.created));
        manifests.push(json!({ "dataset": label, "created": manifest.created, "parent": manifest.parent,
                               "source": manifest.dataset.source, "licence": manifest.licence }));
    }
    manifests
}
