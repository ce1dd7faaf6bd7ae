//! Columns, missing values and distributions by split.

use super::markup::{Cell, facts, further, table};
use crate::document::{ColumnSummary, DataSection, Distribution};
use crate::text::{count, cut, escape, label, name, percent};

/// Columns that are shown, targets first.
const COLUMNS: usize = 60;

/// Splits that are shown.
const SPLITS: usize = 4;

/// Bars of a small plot.
const BARS: usize = 40;

/// Values of a category in a small plot; all others are one bar.
const VALUES: usize = 10;

/// Facts and a table of columns with a small plot for each split.
pub(super) fn data(data: &DataSection) -> String {
    let splits: Vec<String> = data
        .splits
        .iter()
        .take(SPLITS * 2)
        .map(|(split, rows)| format!("{} {}", name(split), count(*rows)))
        .collect();
    let mut pairs = Vec::new();
    if !data.source.is_empty() {
        pairs.push(("source".to_owned(), format!("<bdi>{}</bdi>", escape(&cut(&data.source, 200)))));
    }
    if !splits.is_empty() {
        pairs.push(("rows".to_owned(), splits.join(", ")));
    }
    pairs.push(("columns".to_owned(), count(data.columns.len() as u64)));
    facts(&pairs) + &columns(data)
}

fn columns(data: &DataSection) -> String {
    if data.columns.is_empty() {
        return String::new();
    }
    let splits: Vec<&str> = data.splits.iter().take(SPLITS).map(|(split, _)| split.as_str()).collect();
    let titles: Vec<String> = splits.iter().map(|split| name(split)).collect();
    let mut head = vec![("column", Cell::Words), ("kind", Cell::Words)];
    head.extend(titles.iter().map(|title| (title.as_str(), Cell::Plot)));
    let mut order: Vec<&ColumnSummary> = data.columns.iter().collect();
    order.sort_by_key(|column| column.role != "target");
    let rows = order.iter().take(COLUMNS).map(|column| {
        let target = if column.role == "target" { " <b>target</b>" } else { "" };
        let mut row = vec![name(&column.name), format!("{}{target}", escape(&cut(&column.kind, 20)))];
        row.extend((0..splits.len()).map(|at| {
            let plot = column.distributions.get(at).map(small).unwrap_or_default();
            let missing = column.missing.get(at).filter(|share| **share > 0.0);
            let missing = missing.map(|share| format!("<small>{} missing</small>", percent(*share)));
            plot + &missing.unwrap_or_default()
        }));
        row
    });
    table(&head, rows) + &further(data.columns.len(), COLUMNS, "column")
}

/// Small plot of a distribution, its range below.
fn small(distribution: &Distribution) -> String {
    match distribution {
        Distribution::Numbers(histogram) => {
            let (Some(low), Some(high)) = (histogram.edges.first(), histogram.edges.last()) else {
                return String::new();
            };
            let (low, high) = (label(*low), label(*high));
            let heights = merged(&histogram.counts);
            let words = format!("values from {low} to {high}");
            bars(&heights, &words, &[]) + &format!("<small><span>{low}</span><span>{high}</span></small>")
        }
        Distribution::Values { top, other } => {
            let shown = top.iter().take(VALUES);
            let rest: f64 = top.iter().skip(VALUES).map(|bar| bar.value).sum::<f64>() + other;
            let mut heights: Vec<f64> = shown.clone().map(|bar| bar.value).collect();
            let mut titles: Vec<String> = shown.map(|bar| escape(&cut(&bar.label, 40))).collect();
            if rest > 0.0 {
                heights.push(rest);
                titles.push("all others".to_owned());
            }
            let first = top.first().map(|bar| escape(&cut(&bar.label, 14))).unwrap_or_default();
            let words = format!("{} values, the most frequent is {first}", heights.len());
            bars(&heights, &words, &titles) + &format!("<small><span><bdi>{first}</bdi></span></small>")
        }
    }
}

/// Counts of at most [`BARS`] neighbouring groups.
fn merged(counts: &[f64]) -> Vec<f64> {
    let together = counts.len().div_ceil(BARS).max(1);
    counts.chunks(together).map(|chunk| chunk.iter().filter(|count| count.is_finite()).sum()).collect()
}

/// Bars over the width of a small plot.
fn bars(heights: &[f64], words: &str, titles: &[String]) -> String {
    let finite = |height: &f64| if height.is_finite() { height.max(0.0) } else { 0.0 };
    let top = heights.iter().map(finite).fold(0.0, f64::max);
    if top <= 0.0 || !top.is_finite() {
        return String::new();
    }
    let wide = 120.0 / heights.len() as f64;
    let place = |at: usize, height: &f64| {
        let height = (finite(height) / top * 32.0).max(if finite(height) > 0.0 { 0.7 } else { 0.0 });
        format!("M{:.1} 34v-{height:.1}h{:.1}v{height:.1}z", at as f64 * wide, (wide * 0.92).max(0.5))
    };
    let mut html =
        format!("<svg class=\"small\" viewBox=\"0 0 120 34\" role=\"img\" aria-label=\"{words}\">");
    if titles.is_empty() {
        let path: String = heights.iter().enumerate().map(|(at, height)| place(at, height)).collect();
        html += &format!("<path d=\"{path}\"/>");
    } else {
        for ((at, height), title) in heights.iter().enumerate().zip(titles) {
            html += &format!(
                "<path d=\"{}\"><title>{title}: {}</title></path>",
                place(at, height),
                label(*height)
            );
        }
    }
    html + "</svg>"
}
