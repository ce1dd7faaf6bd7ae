//! Section about the rows: columns, missing values and distributions of each split.

use std::collections::HashMap;

use cupola_eval::curves::{BinnedCounts, histograms};
use cupola_prep::{AuditRows, Column, FittedTarget, Plan, Signature};
use cupola_report::{Bar, ColumnSummary, DataSection, Distribution, Histogram};

/// Columns that are profiled.
const COLUMNS: usize = 100;
/// Bins of a number.
const BINS: usize = 24;
/// Values of a category that are named.
const VALUES: usize = 10;
/// Letters of such a value.
const LETTERS: usize = 60;

/// Profiles of the columns that a model reads, from the sampled rows of each split. `None` without a sample.
pub(super) fn data_section(plan: &Plan, source: &str, splits: &[(&str, &AuditRows)]) -> Option<DataSection> {
    let sampled: Vec<_> = splits.iter().filter(|(_, audit)| !audit.sample.positions.is_empty()).collect();
    if sampled.is_empty() {
        return None;
    }
    let targets: Vec<&str> = plan.targets.iter().filter_map(FittedTarget::column).collect();
    let inputs: Vec<String> = Signature::of(plan).inputs.into_iter().map(|input| input.name).collect();
    let others = inputs.iter().map(String::as_str).filter(|name| !targets.contains(name));
    let names = targets.iter().copied().chain(others).take(COLUMNS);
    let columns = names.filter_map(|name| {
        let columns: Option<Vec<&Column>> =
            sampled.iter().map(|(_, audit)| audit.sample.frame.get(name)).collect();
        let role = if targets.contains(&name) { "target" } else { "input" };
        Some(profile(name, role, &columns?))
    });
    Some(DataSection {
        source: source.to_owned(),
        splits: sampled.iter().map(|(name, audit)| ((*name).to_owned(), audit.rows as u64)).collect(),
        columns: columns.collect(),
    })
}

fn profile(name: &str, role: &str, splits: &[&Column]) -> ColumnSummary {
    let distributions = distributions(splits);
    ColumnSummary {
        name: name.to_owned(),
        kind: kind(splits).to_owned(),
        role: role.to_owned(),
        missing: splits.iter().map(|column| missing(column)).collect(),
        distributions,
    }
}

fn kind(splits: &[&Column]) -> &'static str {
    match splits.first() {
        Some(Column::Number { time: true, .. }) => "date",
        Some(Column::Number { .. }) => "number",
        Some(Column::Bytes(_)) => "file",
        _ => "text",
    }
}

#[allow(clippy::cast_precision_loss, reason = "a share of sampled rows")]
fn missing(column: &Column) -> f64 {
    let missing = (0..column.len()).filter(|row| column.is_missing(*row)).count();
    missing as f64 / column.len().max(1) as f64
}

/// Distribution in each split, with the same borders or the same values.
fn distributions(splits: &[&Column]) -> Vec<Distribution> {
    let numbers = |column: &&Column| match column {
        Column::Number { values, .. } => Some(values.to_vec()),
        _ => None,
    };
    if let Some(all) = splits.iter().map(numbers).collect::<Option<Vec<_>>>() {
        let lists: Vec<&[f64]> = all.iter().map(Vec::as_slice).collect();
        let Some(BinnedCounts { edges, counts }) = histograms(&lists, BINS, None) else { return Vec::new() };
        let histogram = |counts| Distribution::Numbers(Histogram { edges: edges.clone(), counts });
        return counts.into_iter().map(histogram).collect();
    }
    if splits.iter().any(|column| matches!(column, Column::Bytes(_))) {
        return Vec::new();
    }
    let counted: Vec<HashMap<String, f64>> = splits.iter().map(|column| counts(column)).collect();
    let mut all: HashMap<&str, f64> = HashMap::new();
    for (value, count) in counted.iter().flatten() {
        *all.entry(value).or_default() += count;
    }
    let mut order: Vec<(&str, f64)> = all.into_iter().collect();
    order.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(b.0)));
    let top: Vec<&str> = order.iter().take(VALUES).map(|(value, _)| *value).collect();
    let of_split = |counts: &HashMap<String, f64>| {
        let bars = top.iter().map(|value| Bar {
            label: value.chars().take(LETTERS).collect(),
            value: counts.get(*value).copied().unwrap_or_default(),
        });
        let bars: Vec<Bar> = bars.collect();
        let named: f64 = bars.iter().map(|bar| bar.value).sum();
        Distribution::Values { top: bars, other: counts.values().sum::<f64>() - named }
    };
    counted.iter().map(of_split).collect()
}

fn counts(column: &Column) -> HashMap<String, f64> {
    let mut counts = HashMap::new();
    for text in (0..column.len()).filter_map(|row| column.text(row)) {
        *counts.entry(text.into_owned()).or_default() += 1.0;
    }
    counts
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "counts and chosen values are exact")]
mod tests {
    use super::*;

    #[test]
    fn splits_share_borders_and_values() {
        let (first, second) = (Column::numbers(vec![0.0, 1.0, f64::NAN]), Column::numbers(vec![2.0]));
        let found = profile("x", "input", &[&first, &second]);
        assert!((found.missing[0] - 1.0 / 3.0).abs() < 1e-12);
        let [Distribution::Numbers(a), Distribution::Numbers(b)] = found.distributions.as_slice() else {
            panic!()
        };
        assert_eq!(a.edges, b.edges);
        assert_eq!([a.counts.iter().sum::<f64>(), b.counts.iter().sum::<f64>()], [2.0, 1.0]);
        let texts = |values: &[&str]| Column::texts(values.iter().map(|value| Some(*value)));
        let many: Vec<String> = (0..20).map(|value| format!("v{value}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let found = profile("t", "target", &[&texts(&["v3", "v3"]), &texts(&many)]);
        let [Distribution::Values { top, .. }, Distribution::Values { other, .. }] =
            found.distributions.as_slice()
        else {
            panic!()
        };
        assert_eq!((top[0].label.as_str(), top[0].value), ("v3", 2.0));
        assert_eq!(*other, 10.0);
    }
}
