//! Performance by chunk as a table.

use cupola_monitor::performance::{ChunkPerformance, MetricEstimate};
use cupola_operate::{ForecastPerformance, PerformanceOutcome};
use indexmap::IndexMap;

use super::forecast_estimates::show_estimates;
use crate::draw::Ui;
use crate::draw::numbers::{grouped, metric};

/// Metrics of the table; JSON has all.
const SHOWN: [&str; 4] = ["accuracy", "roc_auc", "mae", "rmse"];
/// Metrics of the table of forecasts.
const SHOWN_OF_FORECASTS: [&str; 4] = ["mae", "rmse", "mase", "coverage"];
/// Alerts that a chunk names; further ones are counted.
const ALERTS: usize = 3;
/// Steps ahead in the table, evenly chosen.
const STEPS: usize = 12;
/// Series in the table.
const SERIES: usize = 10;

/// Shows the chunks, and the alarms of the detectors.
pub fn show_performance(ui: Ui, found: &PerformanceOutcome) {
    let (rows, shown) = match &found.forecast {
        Some(_) => ("forecasts", SHOWN_OF_FORECASTS),
        None => ("rows", SHOWN),
    };
    ui.line(format!(
        "{} on {} {rows} of {}, {} with a known `{}`",
        found.package,
        grouped(found.rows),
        found.data,
        grouped(found.labelled),
        found.target
    ));
    let names: Vec<&str> = shown
        .into_iter()
        .filter(|name| found.chunks.iter().any(|chunk| chunk.metrics.contains_key(*name)))
        .collect();
    // Estimates of forecasts have tables of their own.
    let estimates = found.forecast.is_none();
    let mut header = vec!["chunk".to_owned(), rows.to_owned(), "known".to_owned()];
    for name in &names {
        header.push(format!("{name} realised"));
        header.extend(estimates.then(|| "estimated".to_owned()));
        header.push("expected range".to_owned());
    }
    header.push("alert".to_owned());
    let titles: Vec<&str> = header.iter().map(String::as_str).collect();
    let right: Vec<usize> = (1..header.len() - 1).collect();
    ui.table(&titles, &right, found.chunks.iter().map(|chunk| row(chunk, &names, estimates)).collect());
    if let Some(forecast) = &found.forecast {
        show_steps(ui, forecast);
        show_series(ui, forecast);
        show_estimates(ui, found);
    }
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

/// Table of steps ahead, of many evenly chosen ones with the first and the last.
fn show_steps(ui: Ui, forecast: &ForecastPerformance) {
    let count = forecast.steps.len();
    let chosen =
        (0..count.min(STEPS)).map(|at| if count > STEPS { at * (count - 1) / (STEPS - 1) } else { at });
    let rows = chosen.filter_map(|at| forecast.steps.get(at)).map(|own| {
        let counts = [own.step.to_string(), grouped(own.joined), grouped(own.missing)];
        counts.into_iter().chain(of_forecast(&own.metrics)).collect()
    });
    ui.table(&titles_of_forecast("step ahead"), &[0, 1, 2, 3, 4, 5, 6], rows.collect());
}

/// Table of the series with the largest errors; none for a single series.
fn show_series(ui: Ui, forecast: &ForecastPerformance) {
    if forecast.keys.is_empty() {
        return;
    }
    let rows = forecast.series.iter().take(SERIES).map(|own| {
        let counts = [own.series.join(", "), grouped(own.joined), grouped(own.missing)];
        counts.into_iter().chain(of_forecast(&own.metrics)).collect()
    });
    ui.table(&titles_of_forecast(&forecast.keys.join(", ")), &[1, 2, 3, 4, 5, 6], rows.collect());
}

fn titles_of_forecast(first: &str) -> [&str; 7] {
    let [mae, rmse, mase, coverage] = SHOWN_OF_FORECASTS;
    [first, "known", "missing", mae, rmse, mase, coverage]
}

fn of_forecast(metrics: &IndexMap<String, f64>) -> impl Iterator<Item = String> {
    SHOWN_OF_FORECASTS
        .into_iter()
        .map(|name| metrics.get(name).map_or_else(|| "-".to_owned(), |own| metric(*own)))
}

fn row(chunk: &ChunkPerformance, names: &[&str], estimates: bool) -> Vec<String> {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), metric);
    let mut cells = vec![chunk.key.clone(), grouped(chunk.rows), grouped(chunk.labelled)];
    for name in names {
        let own = chunk.metrics.get(*name).copied().unwrap_or_default();
        cells.push(number(own.realised));
        cells.extend(estimates.then(|| number(own.estimate)));
        cells.push(range(&own));
    }
    cells.push(alerts(chunk, names));
    cells
}

/// All metrics outside of their expected range, those with columns first; of many the first and the number of the others.
fn alerts(chunk: &ChunkPerformance, names: &[&str]) -> String {
    let (shown, others): (Vec<_>, Vec<_>) = chunk.alerts().partition(|(name, _)| names.contains(name));
    let mut all: Vec<String> = shown.into_iter().chain(others).map(|(name, own)| alert(name, own)).collect();
    let further = all.len().saturating_sub(ALERTS);
    if further > 0 {
        all.truncate(ALERTS);
        all.push(format!("{further} more"));
    }
    all.join(", ")
}

/// Name of a metric with the value that is outside: the realised one, the estimate, or both.
fn alert(name: &str, own: &MetricEstimate) -> String {
    let which = match (own.realised_alert, own.alert) {
        (true, true) => "realised and estimated",
        (true, false) => "realised",
        _ => "estimated",
    };
    format!("{name} ({which})")
}

fn range(own: &MetricEstimate) -> String {
    match (own.lower_threshold, own.upper_threshold) {
        (Some(lower), Some(upper)) => format!("{} to {}", metric(lower), metric(upper)),
        _ => "-".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(alerts: &[(&str, bool, bool)]) -> ChunkPerformance {
        let metric = |(name, realised_alert, alert): &(&str, bool, bool)| {
            let own = MetricEstimate {
                realised_alert: *realised_alert,
                alert: *alert,
                ..MetricEstimate::default()
            };
            ((*name).to_owned(), own)
        };
        ChunkPerformance {
            key: "[0:9]".to_owned(),
            rows: 10,
            labelled: 10,
            metrics: alerts.iter().map(metric).collect(),
        }
    }

    #[test]
    fn a_chunk_names_the_alerts_of_metrics_without_columns_too() {
        let cell = |alerts: &[(&str, bool, bool)]| row(&chunk(alerts), &["accuracy"], true).pop().unwrap();
        assert_eq!(cell(&[("f1", false, false), ("accuracy", false, false)]), "");
        // The table has no column of f1.
        assert_eq!(cell(&[("f1", true, false), ("accuracy", false, false)]), "f1 (realised)");
        assert_eq!(
            cell(&[("f1", true, true), ("accuracy", false, true)]),
            "accuracy (estimated), f1 (realised and estimated)"
        );
        let many = ["roc_auc", "f1", "precision", "recall", "accuracy"].map(|name| (name, true, false));
        assert_eq!(cell(&many), "accuracy (realised), roc_auc (realised), f1 (realised), 2 more");
    }
}
