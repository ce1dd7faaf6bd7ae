//! Performance by chunk as a table.

use cupola_monitor::performance::{ChunkPerformance, MetricEstimate};
use cupola_operate::PerformanceOutcome;

use crate::draw::Ui;
use crate::draw::numbers::{grouped, metric};

/// Metrics of the table; JSON has all.
const SHOWN: [&str; 4] = ["accuracy", "roc_auc", "mae", "rmse"];

/// Shows the chunks, and the alarms of the detectors.
pub fn show_performance(ui: Ui, found: &PerformanceOutcome) {
    ui.line(format!(
        "{} on {} rows of {}, {} with a known `{}`",
        found.package,
        grouped(found.rows),
        found.data,
        grouped(found.labelled),
        found.target
    ));
    let names: Vec<&str> = SHOWN
        .into_iter()
        .filter(|name| found.chunks.iter().any(|chunk| chunk.metrics.contains_key(*name)))
        .collect();
    let mut header = vec!["chunk".to_owned(), "rows".to_owned(), "known".to_owned()];
    for name in &names {
        header.extend([format!("{name} realised"), "estimated".to_owned(), "expected range".to_owned()]);
    }
    header.push("alert".to_owned());
    let titles: Vec<&str> = header.iter().map(String::as_str).collect();
    let right: Vec<usize> = (1..header.len() - 1).collect();
    ui.table(&titles, &right, found.chunks.iter().map(|chunk| row(chunk, &names)).collect());
    for own in found.changes.iter().filter(|own| !own.drifts.is_empty()) {
        let Some(last) = own.drifts.last() else { continue };
        let at = last.time.clone().unwrap_or_else(|| format!("error {}", last.index));
        let times = match own.drifts.len() {
            1 => "once,".to_owned(),
            count => format!("{count} times, last"),
        };
        ui.line(format!("{}: the errors changed {times} at {at}", own.detector.name()));
    }
    if !found.changes.is_empty() && found.changes.iter().all(|own| own.drifts.is_empty()) {
        ui.line("no detector sees a change of the errors");
    }
    found.notes.iter().for_each(|note| Ui::warning(note));
}

fn row(chunk: &ChunkPerformance, names: &[&str]) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let mut cells = vec![chunk.key.clone(), grouped(chunk.rows), grouped(chunk.labelled)];
    let mut alerts = Vec::new();
    for name in names {
        let own = chunk.metrics.get(*name).copied().unwrap_or_default();
        cells.extend([number(own.realised), number(own.estimate), range(&own)]);
        alerts.extend(alert(name, &own));
    }
    cells.push(alerts.join(", "));
    cells
}

/// Metric outside of its expected range, with the value that is: the realised one, the estimate, or both.
fn alert(name: &str, own: &MetricEstimate) -> Option<String> {
    let which = match (own.realised_alert, own.alert) {
        (true, true) => "realised and estimated",
        (true, false) => "realised",
        (false, true) => "estimated",
        (false, false) => return None,
    };
    Some(format!("{name} ({which})"))
}

fn range(own: &MetricEstimate) -> String {
    match (own.lower_threshold, own.upper_threshold) {
        (Some(lower), Some(upper)) => format!("{} to {}", metric(lower), metric(upper)),
        _ => "-".to_owned(),
    }
}
