//! Estimated errors of forecasts as tables.

use cupola_monitor::performance::ChunkPerformance;
use cupola_operate::{ForecastPerformance, PerformanceOutcome};

use crate::draw::Ui;
use crate::draw::numbers::metric;

/// Metrics of the table of chunks.
const SHOWN: [&str; 3] = ["mae", "rmse", "mase"];
/// Steps ahead in the table, evenly chosen.
const STEPS: usize = 12;

/// Shows the errors that are expected of forecasts, by chunk and by step ahead; nothing without estimates.
pub(super) fn show_estimates(ui: Ui, found: &PerformanceOutcome) {
    let Some(forecast) = &found.forecast else { return };
    let estimate =
        |chunk: &ChunkPerformance, name: &str| chunk.metrics.get(name).and_then(|own| own.estimate);
    let has_estimate = |name: &&str| found.chunks.iter().any(|chunk| estimate(chunk, name).is_some());
    let names: Vec<&str> = SHOWN.into_iter().filter(has_estimate).collect();
    if names.is_empty() {
        return;
    }
    let titles: Vec<String> = names.iter().map(|name| format!("{name} estimated")).collect();
    let titles: Vec<&str> = std::iter::once("chunk").chain(titles.iter().map(String::as_str)).collect();
    let rows = found.chunks.iter().map(|chunk| {
        let own = names.iter().map(|name| number(estimate(chunk, name)));
        std::iter::once(chunk.key.clone()).chain(own).collect()
    });
    let right: Vec<usize> = (1..titles.len()).collect();
    ui.table(&titles, &right, rows.collect());
    show_steps(ui, forecast);
}

/// Realised and estimated errors of steps ahead, of many evenly chosen ones with the first and the last.
fn show_steps(ui: Ui, forecast: &ForecastPerformance) {
    let count = forecast.steps.len();
    let chosen =
        (0..count.min(STEPS)).map(|at| if count > STEPS { at * (count - 1) / (STEPS - 1) } else { at });
    let rows = chosen.filter_map(|at| forecast.steps.get(at)).map(|own| {
        let values = [own.metrics.get("mae"), own.expected.get("mae")];
        std::iter::once(own.step.to_string()).chain(values.map(|own| number(own.copied()))).collect()
    });
    ui.table(&["step ahead", "mae realised", "mae estimated"], &[0, 1, 2], rows.collect());
}

fn number(value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), metric)
}
