//! Profile of a dataset or source: types, missing values, distributions.

use anyhow::Result;
use cupola_datasets::{ColumnProfile, Datasets, LoadRequest, Profile};
use cupola_registry::Home;
use cupola_sources::TextColumns;
use cupola_spec::{Data, Source};

use super::{default_null_texts, roots};
use crate::draw::{CollectionProgress, Ui, grouped, metric, percent, show_notes};

pub fn run(home: &Home, ui: Ui, source: &str) -> Result<()> {
    let datasets = Datasets::new(home.root());
    let named = source.strip_prefix("dataset:").unwrap_or(source);
    let name = named.split(':').next().unwrap_or_default();
    let profile = if datasets.versions(name).is_empty() {
        let data = Data::plain(Source::One(source.to_owned()), &default_null_texts()?);
        let (roots, progress) = (roots(None), CollectionProgress::new(ui));
        let request = LoadRequest {
            source: &data.source,
            data: &data,
            expect: &[],
            texts: TextColumns::None,
            roots: &roots,
            home: home.root(),
            progress: &progress,
        };
        let stream = cupola_datasets::stream(&request)?;
        show_notes(ui, stream.notes());
        stream.profile()?
    } else {
        datasets.named(source)?.profile
    };
    show_columns(ui, &profile);
    ui.result(&profile)
}

pub fn show_columns(ui: Ui, profile: &Profile) {
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
