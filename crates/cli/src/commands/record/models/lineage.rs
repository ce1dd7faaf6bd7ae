//! `cupola models lineage`: the origin of a package.

use anyhow::Result;
use cupola_datasets::{DatasetVersion, Datasets};
use cupola_registry::{Home, RunFolder};
use serde_json::{Value, json};

use crate::draw::{Ui, grouped};

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
        _ => ui.line("   ├─ the run is not in this home folder"),
    }
    let members = super::members(&package)?;
    for member in &members {
        ui.line(format!("   ├─ member   {} ({}), weight {:.3}", member.name, member.family(), member.weight));
    }
    ui.line(format!("   └─ data     version {}", lineage.dataset_version));
    let mut datasets = Vec::new();
    if let Some(record) = &record {
        datasets.extend(show_dataset(home, ui, "rows", &record.dataset.source));
        if let Some(test) = &record.dataset.test {
            datasets.extend(show_dataset(home, ui, "test", test));
        }
    }
    ui.result(&json!({
        "package": package.label(),
        "lineage": lineage,
        "run": record,
        "datasets": datasets,
        "members": members.iter().map(super::member_json).collect::<Vec<_>>(),
    }))
}

/// Shows one source of a run. Returns the manifests of its named datasets.
fn show_dataset(home: &Home, ui: Ui, name: &str, dataset: &DatasetVersion) -> Vec<Value> {
    ui.line(format!("      {name:<8} {} rows of {}", grouped(dataset.rows), dataset.source.join(", ")));
    if let Some(query) = &dataset.query {
        ui.line(format!("               by {}", query.split_whitespace().collect::<Vec<_>>().join(" ")));
    }
    for file in &dataset.files {
        let short = &file.sha256[..file.sha256.len().min(12)];
        ui.line(format!("               {} ({short})", file.name));
    }
    let mut manifests = Vec::new();
    for label in &dataset.datasets {
        let Ok(manifest) = Datasets::new(home.root()).named(label) else {
            ui.line(format!("               {label} is not in this home folder"));
            continue;
        };
        let source = manifest.dataset.source.join(", ");
        ui.line(format!("               {label} of {}, from {source}", manifest.created));
        manifests.push(json!({ "dataset": label, "created": manifest.created, "parent": manifest.parent,
                               "source": manifest.dataset.source, "licence": manifest.licence }));
    }
    manifests
}
