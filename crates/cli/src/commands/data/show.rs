//! Tables of datasets, versions, columns and differences.

use anyhow::Result;
use cupola_datasets::{ColumnProfile, DatasetManifest, Datasets, Diff, Profile};
use cupola_registry::Home;
use cupola_spec::{Data, Source};

use super::add;
use crate::bars::Bars;
use crate::load::roots;
use crate::ui::{Ui, grouped, metric};

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
    add::report(ui, &manifest.report);
    let files = manifest.dataset.files.iter();
    let files =
        files.map(|file| vec![file.name.clone(), megabytes(file.bytes), file.sha256.clone()]).collect();
    ui.table(&["file", "MB", "sha256"], &[1], files);
    ui.line("");
    columns(ui, &manifest.profile);
    ui.result(&manifest)
}

pub fn profile(home: &Home, ui: Ui, source: &str) -> Result<()> {
    let datasets = Datasets::new(home.root());
    let named = source.strip_prefix("dataset:").unwrap_or(source);
    let name = named.split(':').next().unwrap_or_default();
    let profile = if datasets.versions(name).is_empty() {
        let data = Data::plain(Source::One(source.to_owned()), &add::defaults()?);
        let (roots, bars) = (roots(None), Bars::new(ui));
        cupola_datasets::stream(&add::asked(home, &data, &roots, &bars))?.profile()?
    } else {
        datasets.named(source)?.profile
    };
    columns(ui, &profile);
    ui.result(&profile)
}

fn columns(ui: Ui, profile: &Profile) {
    let row = |column: &ColumnProfile| {
        let numbers = column.numbers.as_ref();
        let number = |value: Option<f64>| value.map(metric).unwrap_or_default();
        let quantile = |index: usize| number(numbers.and_then(|n| n.quantiles.get(index).copied()));
        let top = column.top.iter().take(3).map(|(value, n)| format!("{} ({n})", shortened(value)));
        vec![
            column.name.clone(),
            column.kind.clone(),
            percent(column.missing, column.rows),
            grouped(usize::try_from(column.distinct).unwrap_or_default()),
            number(numbers.map(|n| n.mean)),
            number(numbers.map(|n| n.std)),
            quantile(0),
            quantile(25),
            quantile(50),
            if numbers.is_some() { String::new() } else { top.collect::<Vec<_>>().join(", ") },
        ]
    };
    let header =
        ["column", "type", "missing", "distinct", "mean", "std", "min", "median", "max", "most frequent"];
    ui.table(&header, &[2, 3, 4, 5, 6, 7, 8], profile.columns.iter().map(row).collect());
}

fn shortened(value: &str) -> String {
    let short: String = value.chars().take(24).collect();
    let short = short.replace(['\n', '\r'], " ");
    if value.chars().count() > 24 { format!("{short}...") } else { short }
}

#[allow(clippy::cast_precision_loss)]
fn percent(part: u64, whole: u64) -> String {
    format!("{:.1} %", 100.0 * part as f64 / whole.max(1) as f64)
}

pub fn diff(ui: Ui, diff: &Diff) {
    ui.line(format!("{} -> {}", diff.from, diff.to));
    if diff.is_empty() {
        ui.line("nothing is different");
        return;
    }
    ui.line(format!("rows     {} -> {}", grouped(diff.rows.0), grouped(diff.rows.1)));
    for (name, columns) in [("added", &diff.added), ("removed", &diff.removed)] {
        if !columns.is_empty() {
            ui.line(format!("{name:<8} {}", columns.join(", ")));
        }
    }
    let pair = |a: String, b: String| if a == b { a } else { format!("{a} -> {b}") };
    let rows = diff.columns.iter().map(|c| {
        let share = |share: f64| format!("{:.1} %", share * 100.0);
        let count = |n: u64| grouped(usize::try_from(n).unwrap_or_default());
        vec![
            c.name.clone(),
            pair(c.types.0.clone(), c.types.1.clone()),
            pair(share(c.missing.0), share(c.missing.1)),
            pair(count(c.distinct.0), count(c.distinct.1)),
            c.mean.map_or(String::new(), |(a, b)| pair(metric(a), metric(b))),
            c.drift.map_or(String::new(), |psi| format!("{psi:.3}")),
        ]
    });
    ui.table(&["column", "type", "missing", "distinct", "mean", "drift (PSI)"], &[5], rows.collect());
}
