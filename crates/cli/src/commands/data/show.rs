//! Tables of datasets and their versions.

use anyhow::Result;
use cupola_datasets::{DatasetManifest, Datasets};

use super::profile::show_columns;
use crate::draw::{Ui, grouped, show_expectations};

pub fn list(datasets: &Datasets, ui: Ui) -> Result<()> {
    let mut found = Vec::new();
    for name in datasets.names() {
        for version in datasets.versions(&name).into_iter().rev() {
            found.push(datasets.manifest(&name, Some(version))?);
        }
    }
    if found.is_empty() {
        ui.line("no datasets yet; add one with: cupola data add digits data/digits.csv.gz");
    } else {
        let row = |m: &DatasetManifest| {
            let bytes: u64 = m.dataset.files.iter().map(|file| file.bytes).sum();
            vec![
                m.name.clone(),
                m.version.to_string(),
                grouped(m.dataset.rows),
                m.dataset.schema.len().to_string(),
                megabytes(bytes),
                m.created.clone(),
                m.dataset.source.join(", "),
            ]
        };
        let rows = found.iter().map(row).collect();
        let header = ["dataset", "version", "rows", "columns", "MB", "created", "source"];
        ui.table(&header, &[1, 2, 3, 4], rows);
    }
    ui.result(&found)
}

#[allow(clippy::cast_precision_loss)]
fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

pub fn show(datasets: &Datasets, ui: Ui, dataset: &str) -> Result<()> {
    let manifest = datasets.named(dataset)?;
    ui.line(format!("dataset  {}", manifest.label()));
    ui.line(format!("digest   {}", manifest.dataset.sha256));
    ui.line(format!("created  {}", manifest.created));
    if let Some(parent) = manifest.parent {
        ui.line(format!("parent   {}:{parent}", manifest.name));
    }
    ui.line(format!("source   {}", manifest.dataset.source.join(", ")));
    let given = [
        ("sql", &manifest.data.sql),
        ("query", &manifest.data.query),
        ("beyond", &manifest.watermark),
        ("licence", &manifest.licence),
        ("updates", &manifest.updates),
    ];
    for (name, value) in given {
        if let Some(value) = value {
            ui.line(format!("{name:<8} {value}"));
        }
    }
    ui.line(format!("rows     {}", grouped(manifest.dataset.rows)));
    show_expectations(ui, &manifest.report);
    let files = manifest.dataset.files.iter();
    let files =
        files.map(|file| vec![file.name.clone(), megabytes(file.bytes), file.sha256.clone()]).collect();
    ui.table(&["file", "MB", "sha256"], &[1], files);
    ui.line("");
    show_columns(ui, &manifest.profile);
    ui.result(&manifest)
}
