//! Plots of regressions, forecasts and anomaly scores.

use super::classification::stairs;
use super::markup::{figure, fitting, further, grid};
use crate::document::{ForecastDetail, RegressionDetail, ScoreDetail};
use crate::plot::{Axis, Plot, Series, Shape};
use crate::text::{cut, label, spaced};

/// Example windows of a forecast.
const WINDOWS: usize = 8;

/// Metrics by step of a forecast.
const STEPS: usize = 6;

/// Figure of a plot; `None` without a point.
fn shown(title: &str, x: Axis, y: Axis, series: Vec<Series>, note: &str) -> Option<String> {
    let html = Plot { title: title.to_owned(), x, y, series }.html();
    (!html.is_empty()).then(|| figure(title, &html, note))
}

/// Smallest and largest `x`.
fn extent(points: &[(f64, f64)]) -> (f64, f64) {
    let xs = points.iter().map(|(x, _)| *x).filter(|x| x.is_finite());
    xs.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)))
}

/// Figures of a regression.
pub(super) fn regression(detail: &RegressionDetail) -> String {
    let unit = if detail.unit.is_empty() { String::new() } else { format!(" ({})", cut(&detail.unit, 20)) };
    let range = |points: &[(f64, f64)]| {
        let values = points.iter().flat_map(|(x, y)| [*x, *y]).filter(|value| value.is_finite());
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let diagonal = |points: &[(f64, f64)]| {
        let (low, high) = range(points);
        Series::new("", vec![(low, low), (high, high)], Shape::Reference, 0)
    };
    let normal = |points: &[(f64, f64)]| {
        let (low, high) = extent(points);
        Series::new("", vec![(low, low), (high, high)], Shape::Reference, 0)
    };
    let across = |points: &[(f64, f64)]| {
        let (low, high) = extent(points);
        Series::new("", vec![(low, 0.0), (high, 0.0)], Shape::Reference, 0)
    };
    let dots = |points: &[(f64, f64)]| Series::new("", points.to_vec(), Shape::Dots, 0);
    let figures = [
        shown(
            "Target and prediction",
            Axis::new(format!("target{unit}")),
            Axis::new(format!("prediction{unit}")),
            vec![dots(&detail.predicted), diagonal(&detail.predicted)],
            "",
        ),
        shown(
            "Residuals",
            Axis::new(format!("prediction{unit}")),
            Axis::new(format!("target − prediction{unit}")),
            vec![dots(&detail.residuals), across(&detail.residuals)],
            "",
        ),
        shown(
            "Distribution of the residuals",
            Axis::new(format!("target − prediction{unit}")),
            Axis::counts("rows"),
            vec![Series::new("", stairs(&detail.residual_histogram), Shape::Stairs, 0)],
            "",
        ),
        shown(
            "Residuals and the normal distribution (QQ)",
            Axis::new("quantile of the normal distribution"),
            Axis::new("standardised residual"),
            vec![normal(&detail.qq), dots(&detail.qq)],
            "Points leave the line where errors are larger or smaller than normally distributed ones.",
        ),
    ];
    grid(&figures.into_iter().flatten().collect::<Vec<_>>())
}

/// Figures of a forecast.
pub(super) fn forecast(detail: &ForecastDetail) -> String {
    let metrics = fitting(detail.by_step.len(), STEPS);
    let steps = detail.by_step.iter().take(metrics).filter_map(|line| {
        let name = spaced(&line.label);
        let y = Axis { from_zero: true, ..Axis::new(name.clone()) };
        let x = Axis { whole: true, ..Axis::new("steps ahead") };
        let series = vec![Series::new("", line.points.clone(), Shape::Line, 0)];
        shown(&format!("{name} by step"), x, y, series, "")
    });
    let shown_windows = detail.windows.iter().take(WINDOWS).enumerate();
    let windows = shown_windows.filter_map(|(at, (window, expected, forecast))| {
        let mut series = Vec::new();
        if let Some(band) = detail.bands.get(at).filter(|band| !band.is_empty()) {
            let label = detail.coverage.map_or_else(|| "interval".to_owned(), interval_name);
            series.push(Series::new(label, around(band), Shape::Band, 1));
        }
        series.push(Series::new("expected", expected.points.clone(), Shape::Line, 0));
        series.push(Series::new("forecast", forecast.points.clone(), Shape::Line, 1));
        let title = cut(window, 40);
        shown(&title, Axis { whole: true, ..Axis::new("step") }, Axis::new("value"), series, "")
    });
    let steps = further_grid(&steps.collect::<Vec<_>>(), detail.by_step.len(), metrics, "metric");
    steps + &further_grid(&windows.collect::<Vec<_>>(), detail.windows.len(), WINDOWS, "window")
}

/// `90 % interval`
fn interval_name(coverage: f64) -> String {
    format!("{} % interval", label((coverage * 1000.0).round() / 10.0))
}

/// Way around an area: along its lower bounds, then back along its upper ones.
fn around(band: &[(f64, f64, f64)]) -> Vec<(f64, f64)> {
    let low = band.iter().map(|(step, low, _)| (*step, *low));
    low.chain(band.iter().rev().map(|(step, _, high)| (*step, *high))).collect()
}

fn further_grid(figures: &[String], all: usize, most: usize, what: &str) -> String {
    grid(figures) + &further(all, most, what)
}

/// Figures of an anomaly score.
pub(super) fn score(detail: &ScoreDetail) -> String {
    let rows = if detail.anomalies.is_some() { "normal rows" } else { "rows" };
    let mut series = vec![Series::new(rows, stairs(&detail.normal), Shape::Stairs, 0)];
    if let Some(anomalies) = &detail.anomalies {
        series.push(Series::new("anomalies", stairs(anomalies), Shape::Stairs, 1));
    }
    let mut note = String::new();
    if let Some(threshold) = detail.threshold.filter(|threshold| threshold.is_finite()) {
        let all = detail.normal.counts.iter().chain(detail.anomalies.iter().flat_map(|h| &h.counts));
        let top = all.copied().filter(|count| count.is_finite()).fold(0.0, f64::max);
        series.push(Series::new("", vec![(threshold, 0.0), (threshold, top)], Shape::Reference, 0));
        note = format!("Dashed: the threshold in use, {}.", label(threshold));
    }
    let curves = detail.precision_recall.iter().take(STEPS).enumerate();
    let lines =
        curves.map(|(at, line)| Series::new(line.label.clone(), line.points.clone(), Shape::Line, at));
    let figures = [
        shown("Anomaly scores", Axis::new("score"), Axis::counts("rows"), series, &note),
        shown("Precision and recall", Axis::share("recall"), Axis::share("precision"), lines.collect(), ""),
    ];
    grid(&figures.into_iter().flatten().collect::<Vec<_>>())
}
