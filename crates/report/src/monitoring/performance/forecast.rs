//! Performance of forecasts by step ahead and by series.

use crate::page::markup::{Cell, dim, figure, further, grid, table};
use crate::plot::{Axis, Plot, Series, Shape};
use crate::text::{count, cut, escape, name, number, several, spaced};

/// Rows of a table.
const ROWS: usize = 500;
/// Metrics of the tables.
const METRICS: usize = 12;
/// Steps of a plot.
const POINTS: usize = 1000;
/// Plots by step.
const PLOTS: usize = 4;

/// Performance of forecasts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForecastPage {
    /// Steps with a value.
    pub joined: u64,
    /// Steps without one.
    pub missing: u64,
    /// Coverage that the intervals promise; `None` without intervals.
    pub coverage: Option<f64>,
    /// Names of the metrics.
    pub metrics: Vec<String>,
    /// Steps ahead in order.
    pub steps: Vec<ForecastRow>,
    /// Columns of the key of a series; empty for a single one.
    pub keys: Vec<String>,
    /// Series, the largest errors first.
    pub series: Vec<ForecastRow>,
}

/// Metrics of a step ahead or of a series.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ForecastRow {
    /// Step, or key of the series.
    pub label: String,
    /// Steps with a value.
    pub joined: u64,
    /// Steps without one.
    pub missing: u64,
    /// Values in the order of the metrics.
    pub values: Vec<Option<f64>>,
}

/// Sentence on the steps that have a value.
pub(super) fn forecast_header(page: &ForecastPage) -> String {
    let steps = several(page.joined + page.missing, "step");
    let coverage = match page.coverage {
        Some(coverage) => format!(" Intervals promise a coverage of {}.", number(coverage)),
        None => String::new(),
    };
    format!("<p>{} of {steps} have a value.{coverage}</p>", count(page.joined))
}

/// Plots and a table by step ahead.
pub(super) fn steps(page: &ForecastPage) -> String {
    let mut figures = String::new();
    for (index, metric) in page.metrics.iter().enumerate().take(PLOTS) {
        figures += &plot(page, index, metric);
    }
    let figures = if figures.is_empty() { figures } else { grid(&[figures]) };
    figures + &rows(page, "Step", &page.steps, "step")
}

/// Table by series; empty for a single one.
pub(super) fn series(page: &ForecastPage) -> String {
    if page.keys.is_empty() {
        String::new()
    } else {
        rows(page, &name(&page.keys.join(", ")), &page.series, "row")
    }
}

fn plot(page: &ForecastPage, index: usize, metric: &str) -> String {
    let all = page.steps.iter().enumerate().take(POINTS);
    let value = |(at, row): (usize, &ForecastRow)| {
        let value = row.values.get(index).copied().flatten().filter(|value| value.is_finite())?;
        Some(((at + 1) as f64, value))
    };
    let points: Vec<(f64, f64)> = all.filter_map(value).collect();
    if points.is_empty() {
        return String::new();
    }
    let title = spaced(metric);
    let html = Plot {
        title: format!("{title} by step ahead"),
        x: Axis { whole: true, ..Axis::new("step ahead") },
        y: Axis::new(title.clone()),
        series: vec![Series::new("realised", points, Shape::Line, 0)],
    }
    .html();
    if html.is_empty() { html } else { figure(&title, &html, "") }
}

fn rows(page: &ForecastPage, first: &str, rows: &[ForecastRow], what: &str) -> String {
    let names: Vec<String> = page.metrics.iter().take(METRICS).map(|metric| name(metric)).collect();
    let mut head = vec![(first, Cell::Words), ("Known", Cell::Number), ("Missing", Cell::Number)];
    head.extend(names.iter().map(|name| (name.as_str(), Cell::Number)));
    let cells = rows.iter().take(ROWS).map(|row| {
        let mut cells = vec![escape(&cut(&row.label, 80)), count(row.joined), count(row.missing)];
        let value = |at| row.values.get(at).copied().flatten().map(number).unwrap_or_default();
        cells.extend((0..names.len()).map(value));
        cells
    });
    table(&head, cells)
        + &further(rows.len(), ROWS, what)
        + &dim("Missing: steps whose value has not arrived, or never will.")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// Page of forecasts with hostile names.
    pub fn page(rows: usize) -> ForecastPage {
        let row = |at: usize| ForecastRow {
            label: format!("<i>{at}"),
            joined: 3,
            missing: 1,
            values: vec![Some(at as f64), None, Some(f64::NAN)],
        };
        ForecastPage {
            metrics: ["<em>mae", "rmse", "mase"].map(str::to_owned).to_vec(),
            steps: (0..rows).map(row).collect(),
            keys: vec!["<u>".into()],
            series: (0..rows).map(row).collect(),
            coverage: Some(0.9),
            ..ForecastPage::default()
        }
    }

    #[test]
    fn steps_and_series_have_tables_and_plots() {
        let html = steps(&page(3)) + &series(&page(3)) + &forecast_header(&page(3));
        assert!(
            html.contains("by step ahead") && html.contains("&lt;i&gt;2") && html.contains("0.9"),
            "{html}"
        );
        assert!(series(&ForecastPage { keys: Vec::new(), ..page(3) }).is_empty());
    }
}
